/**
 * The container engine's API over its unix socket. Knows HTTP and the engine's version, nothing of what is asked. The
 * socket is root's: only this room speaks to it, and only names and ids that passed a grammar go into a path.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { z } from 'zod';
import { type ErrorCode, WarrenError } from '../../shared/errors.ts';

export interface Engine {
  /** Throws `unreachable`, `timeout`, `not-found`, `conflict` or `command-failed` with what the engine said. */
  get<T>(path: string, schema: z.ZodType<T>): Promise<T>;
  post<T>(path: string, body: unknown, schema: z.ZodType<T>): Promise<T>;
  remove(path: string): Promise<void>;
  /** Calls `onLine` for each line of a stream until it ends, or until `signal`; `onOpen` when the engine answered. */
  follow(path: string, handlers: StreamHandlers, signal: AbortSignal): Promise<void>;
}

export interface StreamHandlers {
  readonly onOpen: () => void;
  readonly onLine: (line: string) => void;
}

const timeoutMs = 15_000;
const maxReplyChars = 64 * 1024 * 1024;

/** `version`: of the API, as `/version` says it, `1.41`. */
export function createEngine(socketPath: string, version: string | undefined): Engine {
  const prefix = version === undefined ? '' : `/v${version}`;
  const open = (method: string, path: string): ClientRequest =>
    request({ socketPath, method, path: `${prefix}${path}`, headers: { host: 'docker' }, agent: false });
  const exchange = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const call = open(method, path);
    call.setTimeout(timeoutMs, () => call.destroy(new WarrenError('timeout', 'the container engine does not answer')));
    const reply = await send(call, body, socketPath);
    return readReply(reply, `${method} ${path}`);
  };
  return {
    get: async (path, schema) => parse(schema, await exchange('GET', path), path),
    post: async (path, body, schema) => parse(schema, await exchange('POST', path, body), path),
    remove: async (path) => void (await exchange('DELETE', path)),
    follow: async (path, { onOpen, onLine }, signal) => {
      const call = open('GET', path);
      const stop = (): void => void call.destroy();
      signal.addEventListener('abort', stop, { once: true });
      try {
        const reply = await send(call, undefined, socketPath);
        if ((reply.statusCode ?? 500) >= 300) throw refusal(reply.statusCode, await readText(reply), `GET ${path}`);
        onOpen();
        await readLines(reply, onLine);
      } finally {
        signal.removeEventListener('abort', stop);
        call.destroy();
      }
    },
  };
}

function send(call: ClientRequest, body: unknown, socketPath: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    call.on('response', resolve);
    call.on('error', (cause: NodeJS.ErrnoException) => reject(unreachable(cause, `on ${socketPath}`)));
    if (body === undefined) return call.end();
    const text = JSON.stringify(body);
    call.setHeader('content-type', 'application/json');
    call.setHeader('content-length', Buffer.byteLength(text));
    return call.end(text);
  });
}

async function readReply(reply: IncomingMessage, what: string): Promise<unknown> {
  const text = await readText(reply);
  if ((reply.statusCode ?? 500) >= 300) throw refusal(reply.statusCode, text, what);
  return text === '' ? undefined : readJson(text, what);
}

const unreachable = (cause: NodeJS.ErrnoException, where: string): WarrenError =>
  cause instanceof WarrenError
    ? cause
    : new WarrenError('unreachable', `no container engine answers ${where} (${cause.code ?? cause.message})`, {
        cause,
      });

/** Throws `unreachable` when the engine ends in the middle of what it says. */
async function readText(reply: IncomingMessage): Promise<string> {
  let text = '';
  reply.setEncoding('utf8');
  try {
    for await (const chunk of reply as AsyncIterable<string>) {
      text += chunk;
      if (text.length > maxReplyChars) throw new WarrenError('command-failed', 'the container engine answers too much');
    }
  } catch (cause) {
    throw unreachable(cause instanceof Error ? cause : new Error(String(cause)), 'to the end');
  }
  return text;
}

/** One JSON object a line; a last line that is cut off is dropped. */
async function readLines(reply: IncomingMessage, onLine: (line: string) => void): Promise<void> {
  let rest = '';
  reply.setEncoding('utf8');
  for await (const chunk of reply as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') onLine(line);
    if (rest.length > maxReplyChars)
      throw new WarrenError('command-failed', 'the container engine sent an endless line');
  }
}

function refusal(status: number | undefined, text: string, what: string): WarrenError {
  const said = (readMessage(text) ?? text.trim().slice(0, 300)) || `status ${status ?? 0}`;
  const code: ErrorCode =
    status === 404 ? 'not-found' : status === 409 || status === 403 ? 'conflict' : 'command-failed';
  return new WarrenError(code, `the container engine refuses '${what.slice(0, 120)}': ${said.slice(0, 500)}`);
}

function readMessage(text: string): string | undefined {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === 'string' ? message : undefined;
  } catch {
    return undefined;
  }
}

function readJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new WarrenError('command-failed', `the container engine answers '${what}' with something that is not JSON`, {
      cause,
    });
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new WarrenError(
    'command-failed',
    `the container engine's answer to ${path.slice(0, 120)} is not understood at '${issue?.path.join('/') ?? ''}'`,
  );
}
