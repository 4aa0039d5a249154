/**
 * The agent's unix socket: HTTP with one JSON object in and one out, for root on this host only. The socket is also the
 * lock: who listens on it is the one agent of the instance. It decides nothing; `run.ts` answers.
 */
import { chmod, rm } from 'node:fs/promises';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import { makePrivateDirectory } from '../durable.ts';
import { type LocalCall, type LocalHandlers, localCalls } from './api.ts';
import { inTurn } from './turn.ts';

export const socketPath = (runDir: string): string => join(runDir, 'agent.sock');

export interface LocalServer {
  /** From now on these answer. */
  serve(handlers: LocalHandlers): void;
  close(): Promise<void>;
}

const maxBodyBytes = 64 * 1024;

/** Throws `agent-running` when another agent listens there. */
export async function listenLocally(runDir: string, log: Logger): Promise<LocalServer> {
  const path = socketPath(runDir);
  await makePrivateDirectory(runDir);
  await chmod(runDir, 0o700);
  let handlers: LocalHandlers | undefined;
  const server = createServer((request, reply) => {
    void answer(request, reply, handlers).catch((error: unknown) => {
      log.error({ err: error }, 'local call broke');
      reply.destroy();
    });
  });
  // Looking, clearing away and listening are three things; agents that start together do them one after the other.
  await inTurn(`${path}.turn`, async () => {
    await clearStaleSocket(path);
    await listen(server, path);
    await chmod(path, 0o600);
  });
  return {
    serve: (given) => {
      handlers = given;
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      await closed;
    },
  };
}

/** A dead agent's socket stays behind and would keep everybody from listening. */
async function clearStaleSocket(path: string): Promise<void> {
  if (await isAlive(path)) throw running(path);
  await rm(path, { force: true });
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException): void => reject(error.code === 'EADDRINUSE' ? running(path) : error);
    server.once('error', refuse);
    server.listen(path, () => {
      server.off('error', refuse);
      resolve();
    });
  });
}

async function answer(
  request: IncomingMessage,
  reply: ServerResponse,
  handlers: LocalHandlers | undefined,
): Promise<void> {
  try {
    const value = await handle(request, handlers);
    send(reply, 200, value);
  } catch (error) {
    const { code, message, status, field } = asWarrenError(error);
    send(reply, status, { code, message, ...(field === undefined ? {} : { field }) });
  }
}

async function handle(request: IncomingMessage, handlers: LocalHandlers | undefined): Promise<unknown> {
  const name = /^\/v1\/([a-z]+)$/.exec(request.url ?? '')?.[1] ?? '';
  if (request.method !== 'POST' || !isCall(name)) throw new WarrenError('not-found', 'the agent has no such call');
  const parsed = localCalls[name].body.safeParse(await readJson(request));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue?.path.join('/') ?? '';
    throw new WarrenError('request-invalid', `'${field}': ${issue?.message ?? 'not valid'}`, { field });
  }
  if (handlers === undefined)
    throw new WarrenError('agent-not-running', 'the agent is starting; try again in a moment');
  return (handlers[name] as (body: unknown) => Promise<unknown>)(parsed.data);
}

const isCall = (name: string): name is LocalCall => Object.hasOwn(localCalls, name);

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request as AsyncIterable<string>) {
    text += chunk;
    if (text.length > maxBodyBytes) throw new WarrenError('body-too-large', 'the body is longer than 64 KiB');
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new WarrenError('request-invalid', 'the body is not JSON', { cause });
  }
}

function send(reply: ServerResponse, status: number, value: unknown): void {
  reply.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  reply.end(JSON.stringify(value));
}

function running(path: string): WarrenError {
  return new WarrenError('agent-running', `an agent of this instance is running already (it listens on ${path})`);
}
