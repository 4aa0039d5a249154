/** `warren server` as a process of its own, as an operator runs it: what it prints, how it ends, what it answers. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Call, type HttpReply, createCall } from '../../shared/api/client.ts';
import { createToken } from '../../shared/api/tokens.ts';
import { exchange } from '../server/routes/https.ts';
import type { Enrolling } from '../server/routes/support.ts';
import { type CommandOptions, type CommandResult, run } from '../support/command.ts';
import { warrenProgram } from '../support/lab-config.ts';
import { until } from '../support/wait.ts';

export interface ServerProcess extends Enrolling {
  readonly pid: number;
  readonly state: string;
  /** Undefined when metrics are off. */
  readonly metricsPort: number | undefined;
  readonly admin: Call;
  get(path: string): Promise<HttpReply>;
  stdout(): string;
  stderr(): string;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when the process is gone. */
  readonly ended: Promise<Ending>;
}

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ServerOptions {
  readonly state: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** When to stop waiting for it; by default it says that it is ready. Ports are unknown before that. */
  readonly isReady?: () => boolean;
  /** Its end before it is ready is no error: whoever starts it has it killed. */
  readonly mayEnd?: boolean;
}

/** One command to its end, whatever its exit code. Nothing of this machine's configuration counts. */
export function warrenServer(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const env = { WARREN_METRICS_LISTEN: 'off', ...options.env };
  return run([...warrenProgram(), 'server', ...args], { okCodes: 'any', ...options, env });
}

/** Waits until it says that it is ready; killed with the test. */
export async function startServerProcess(t: TestContext, options: ServerOptions): Promise<ServerProcess> {
  const { state, args = [], env = {} } = options;
  const [file = '', ...program] = warrenProgram();
  const listen = ['--listen', '127.0.0.1:0', '--url', 'https://127.0.0.1:0', '--state', state];
  const child = spawn(file, [...program, 'server', ...listen, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C', WARREN_METRICS_LISTEN: 'off', ...env },
  });
  t.after(() => child.kill('SIGKILL'));
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const ended = endOf(child);
  const ready = await until('the server is ready', { seconds: 30, everyMilliseconds: 5 }, () => {
    if (child.exitCode !== null || child.signalCode !== null) return { isGone: true } as const;
    return readyLine(stderr()) ?? (options.isReady?.() === true ? { port: 0, metricsPort: undefined } : undefined);
  });
  if ('isGone' in ready && options.mayEnd !== true) throw new Error(`the server ended by itself: ${stderr()}`);
  const { port, metricsPort } = 'isGone' in ready ? { port: 0, metricsPort: undefined } : ready;
  const readKey = (): string => readFileSync(join(state, 'admin.key'), 'utf8').trim();
  const as = (bearer: string | undefined): Call => createCall((call) => exchange(port, call, { bearer }));
  const admin = createCall((call) => exchange(port, call, { bearer: readKey() }));
  return {
    pid: child.pid ?? 0,
    port,
    metricsPort,
    state,
    admin,
    as,
    token: async (body = {}) => (await admin(createToken, { body })).token,
    get: (path) => exchange(port, { method: 'GET', path, headers: {}, body: undefined }, {}),
    stdout,
    stderr,
    kill: (signal) => void child.kill(signal),
    ended,
  };
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  return () => text;
}

function endOf(child: ChildProcess): Promise<Ending> {
  return new Promise((resolve) => {
    child.once('close', (code, signal) => {
      resolve({ code, signal });
    });
  });
}

function readyLine(text: string): { port: number; metricsPort: number | undefined } | undefined {
  const line = text.split('\n').find((one) => one.includes('"msg":"ready"'));
  return line === undefined ? undefined : (JSON.parse(line) as { port: number; metricsPort: number | undefined });
}
