/**
 * Unix sockets that speak HTTP, as the agent serves them to this host's commands and to the container engine: listening
 * for root alone, telling a live socket from one that a dead process left, reading what was asked, and asking.
 */
import { chmod, stat } from 'node:fs/promises';
import { type IncomingMessage, type Server, request } from 'node:http';
import { connect } from 'node:net';
import { WarrenError } from '../shared/errors.ts';
import { isMissing } from './durable.ts';

/** Throws what listen(2) says, `EADDRINUSE` above all. */
export async function listenAt(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
  await chmod(path, 0o600);
}

/** What was asked already is still answered. */
export async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  await closed;
}

/** True where a process accepts connections; a dead one's socket stays behind and refuses. */
export function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** Tells a socket from another one at the same path; undefined where there is none. */
export async function identityOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path);
    return `${dev}:${ino}`;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Throws `body-too-large`. */
export async function readBody(message: IncomingMessage, maxKib: number): Promise<string> {
  let text = '';
  message.setEncoding('utf8');
  for await (const chunk of message as AsyncIterable<string>) {
    text += chunk;
    if (text.length > maxKib * 1024) throw new WarrenError('body-too-large', `the body is longer than ${maxKib} KiB`);
  }
  return text;
}

/** Throws `request-invalid`. */
export function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new WarrenError('request-invalid', 'the body is not JSON', { cause });
  }
}

export interface SocketReply {
  readonly status: number;
  readonly body: string;
}

/** POSTs `body`. Throws what the socket says (`ENOENT`, `ECONNREFUSED`, …), or `timeout`. */
export function askSocket(path: string, url: string, body: string, timeoutMs: number): Promise<SocketReply> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: path, path: url, method: 'POST', agent: false }, (reply) => {
      let text = '';
      reply.setEncoding('utf8');
      reply.on('data', (chunk: string) => (text += chunk));
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, body: text }));
      reply.on('error', reject);
    });
    call.on('error', reject);
    call.setTimeout(timeoutMs, () =>
      call.destroy(new WarrenError('timeout', `no answer on ${path} within ${timeoutMs / 1000} s`)),
    );
    call.end(body);
  });
}
