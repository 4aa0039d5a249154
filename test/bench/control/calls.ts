/**
 * Calls between the bench and the processes beside it (the server's probe, the simulated agents), over a unix socket:
 * those processes are in a network namespace of their own, and files are shared. One line of JSON each way.
 */
import { rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { until } from '../../support/wait.ts';

/** Arguments and answers must survive JSON. */
export type Calls = Readonly<Record<string, (...args: never[]) => unknown>>;

export interface Remote<Served extends Calls> {
  call<Name extends keyof Served & string>(
    name: Name,
    ...args: Parameters<Served[Name]>
  ): Promise<Awaited<ReturnType<Served[Name]>>>;
  close(): void;
}

interface Request {
  readonly id: number;
  readonly name: string;
  readonly args: unknown[];
}

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** Does not keep its process alive. */
export function serveCalls(path: string, calls: Calls): void {
  const served = calls as Readonly<Record<string, (...args: unknown[]) => unknown>>;
  const answer = async ({ id, name, args }: Request): Promise<Reply> => {
    try {
      return { id, value: await served[name]?.(...args) };
    } catch (error) {
      return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  };
  const server = createServer((socket) => {
    socket.unref();
    socket.on('error', () => socket.destroy());
    createInterface({ input: socket }).on('line', (line) => {
      void answer(JSON.parse(line) as Request).then((reply) => socket.write(`${JSON.stringify(reply)}\n`));
    });
  });
  // Left by the process that was restarted.
  rmSync(path, { force: true });
  server.listen(path);
  server.unref();
}

/** Waits until the other side listens. */
export async function connectCalls<Served extends Calls>(path: string): Promise<Remote<Served>> {
  const socket = await until(`${path} answers`, { seconds: 30, everyMilliseconds: 50 }, () => connected(path));
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let last = 0;
  createInterface({ input: socket }).on('line', (line) => {
    const { id, value, error } = JSON.parse(line) as Reply;
    if (error === undefined) waiting.get(id)?.resolve(value);
    else waiting.get(id)?.reject(new Error(error));
    waiting.delete(id);
  });
  socket.on('close', () => {
    for (const { reject } of waiting.values()) reject(new Error(`the process behind ${path} ended`));
  });
  return {
    call: (name, ...args) =>
      new Promise((resolve, reject) => {
        last += 1;
        waiting.set(last, { resolve: resolve as (value: unknown) => void, reject });
        socket.write(`${JSON.stringify({ id: last, name, args })}\n`);
      }),
    close: () => socket.destroy(),
  };
}

function connected(path: string): Promise<ReturnType<typeof createConnection>> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('connect', () => resolve(socket)).once('error', reject);
  });
}
