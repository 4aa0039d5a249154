/**
 * The agent's unix socket: HTTP with one JSON object in and one out, for root on this host only. The socket is also the
 * lock: who listens on it is the one agent of the instance. It decides nothing; `run.ts` answers.
 */
import { chmod, rm } from 'node:fs/promises';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import { makePrivateDirectory } from '../durable.ts';
import { closeServer, isAnswered, listenAt, parseBody, readBody } from '../unix-socket.ts';
import { type LocalCall, type LocalHandlers, localCalls } from './api.ts';
import { inTurn } from './turn.ts';

export const socketPath = (runDir: string): string => join(runDir, 'agent.sock');

export interface LocalServer {
  /** From now on these answer. */
  serve(handlers: LocalHandlers): void;
  close(): Promise<void>;
}

const maxBodyKib = 64;

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
  });
  return {
    serve: (given) => {
      handlers = given;
    },
    close: () => closeServer(server),
  };
}

/** A dead agent's socket stays behind and would keep everybody from listening. */
async function clearStaleSocket(path: string): Promise<void> {
  if (await isAnswered(path)) throw running(path);
  await rm(path, { force: true });
}

async function listen(server: Server, path: string): Promise<void> {
  try {
    await listenAt(server, path);
  } catch (error) {
    throw error instanceof Error && 'code' in error && error.code === 'EADDRINUSE' ? running(path) : error;
  }
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
  const parsed = localCalls[name].body.safeParse(parseBody(await readBody(request, maxBodyKib)));
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

function send(reply: ServerResponse, status: number, value: unknown): void {
  reply.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  reply.end(JSON.stringify(value));
}

function running(path: string): WarrenError {
  return new WarrenError('agent-running', `an agent of this instance is running already (it listens on ${path})`);
}
