/** Calls the running agent over its unix socket. */
import type { z } from 'zod';
import { WarrenError, isErrorCode } from '../../shared/errors.ts';
import { type SocketReply, askSocket } from '../unix-socket.ts';
import { type LocalCall, type LocalCalls, localCalls } from './api.ts';
import { socketPath } from './server.ts';

export type CallAgent = <Name extends LocalCall>(
  name: Name,
  body: z.input<LocalCalls[Name]['body']>,
) => Promise<z.output<LocalCalls[Name]['reply']>>;

/** Throws what the agent throws, or `agent-not-running`. */
export function createAgentCall(runDir: string): CallAgent {
  return async <Name extends LocalCall>(name: Name, body: z.input<LocalCalls[Name]['body']>) => {
    const reply = await post(socketPath(runDir), `/v1/${name}`, JSON.stringify(body));
    const value: unknown = parseJson(reply.body);
    if (reply.status >= 400) throw readError(value);
    const parsed = localCalls[name].reply.safeParse(value);
    if (parsed.success) return parsed.data as z.output<LocalCalls[Name]['reply']>;
    throw new WarrenError('internal', `the agent's answer to '${name}' is not understood; restart it after an upgrade`);
  };
}

async function post(path: string, url: string, body: string): Promise<SocketReply> {
  try {
    return await askSocket(path, url, body, 120_000);
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, path);
  }
}

function explain(error: NodeJS.ErrnoException, path: string): WarrenError {
  if (error instanceof WarrenError) return error;
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return new WarrenError('privilege-missing', `${path} belongs to root; run this as root`, { cause: error });
  }
  return new WarrenError(
    'agent-not-running',
    `no agent answers on ${path}; start it with 'systemctl start warren-agent' or 'warren agent'`,
    { cause: error },
  );
}

function readError(value: unknown): WarrenError {
  const { code, message, field } = (value ?? {}) as Partial<Record<'code' | 'message' | 'field', unknown>>;
  return new WarrenError(
    typeof code === 'string' && isErrorCode(code) ? code : 'internal',
    typeof message === 'string' ? message : 'the agent failed without saying why',
    { field: typeof field === 'string' ? field : undefined },
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
