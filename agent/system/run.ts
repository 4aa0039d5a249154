/**
 * The one seam between the agent and the machine: programs run as argv arrays, files under /proc, long-lived watches.
 * Tests put a fake host here and nowhere else. Nothing in this folder decides; it parses what tools print and calls
 * them. No shell, ever, and no text of a stranger that has not passed a grammar.
 */
import { constants } from 'node:fs';
import { access, open, readFile, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { type Options, execa } from 'execa';
import { WarrenError } from '../../shared/errors.ts';
import { exchange } from './exchange.ts';
import { keepWatching } from './watch.ts';

export type Argv = readonly [string, ...string[]];

export interface Command {
  readonly argv: Argv;
  /** Text for standard input. */
  readonly input?: string;
  /** Default 10,000. */
  readonly timeoutMs?: number;
  /** Exit codes that are answers and not failures; default `[0]`. */
  readonly okCodes?: readonly number[];
  /** Own session, no inherited descriptors: for a daemon that must outlive the agent. */
  readonly isDetached?: boolean;
  /** All of its environment but PATH; the agent's own by default. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Where both outputs go instead of the answer. What the program leaves running may keep the file open. */
  readonly outputFile?: string;
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export interface Watch {
  stop(): void;
}

export interface System {
  /** Throws `program-missing`, `timeout` or `command-failed` (argv and stderr in the message, never stdin or stdout). */
  run(command: Command): Promise<CommandResult>;
  /** The value without its line end, or undefined where this kernel has no such file. Path below /proc/sys. */
  readSysctl(path: string): Promise<string | undefined>;
  writeSysctl(path: string, value: string): Promise<void>;
  /** A file's text, undefined where it is missing or unreadable. */
  readText(path: string): Promise<string | undefined>;
  /** Calls `onLine` for each line a long-lived program prints; restarts it with back-off when it dies. */
  watch(argv: Argv, onLine: (line: string) => void): Watch;
  /**
   * Starts `argv` when this process has ended, however that came about. Until then another process waits for it, whose id,
   * the one of the process group of both, goes to `onPid`; `stop` ends that one.
   */
  whenEnded(argv: Argv, onPid: (pid: number) => void): Watch;
  fileExists(path: string): Promise<boolean>;
  /** Says `text` to a daemon's unix socket and answers its reply up to an empty line. Throws `unreachable`. */
  exchange(socketPath: string, text: string): Promise<string>;
}

export function createSystem(): System {
  return { run, readSysctl, writeSysctl, readText, watch, whenEnded, fileExists, exchange };
}

/** Names are literals already, but `wg` must not even try the resolver; `wireguard-go` must stay silent. */
const toolEnvironment = { LC_ALL: 'C', WG_ENDPOINT_RESOLUTION_RETRIES: '0', LOG_LEVEL: '' } as const;

async function run(command: Command): Promise<CommandResult> {
  if (command.outputFile === undefined) return runOnto(command, undefined);
  const output = await open(command.outputFile, 'w', 0o600);
  try {
    return await runOnto(command, output.fd);
  } finally {
    await output.close();
  }
}

async function runOnto(command: Command, output: number | undefined): Promise<CommandResult> {
  const { argv, timeoutMs = 10_000, okCodes = [0] } = command;
  const [file, ...args] = argv;
  const result = await execa(file, args, {
    ...environmentFor(command),
    reject: false,
    timeout: timeoutMs,
    stripFinalNewline: false,
    maxBuffer: 256 * 1024 * 1024,
    ...streamsOf(command, output),
  });
  const stderr = typeof result.stderr === 'string' ? result.stderr : '';
  const stdout = typeof result.stdout === 'string' ? result.stdout : '';
  if (result.code === 'ENOENT') throw new WarrenError('program-missing', `the program '${file}' is not installed`);
  if (result.timedOut) throw new WarrenError('timeout', `'${shown(argv)}' took longer than ${timeoutMs} ms`);
  if (result.exitCode === undefined || !okCodes.includes(result.exitCode)) {
    const why = stderr.trim() || result.originalMessage || `exit code ${result.exitCode}`;
    throw new WarrenError('command-failed', `'${shown(argv)}' failed: ${why.slice(0, 2000)}`);
  }
  return { stdout, stderr, exitCode: result.exitCode };
}

function environmentFor({ environment }: Command): { env: Record<string, string>; extendEnv: boolean } {
  if (environment === undefined) return { env: toolEnvironment, extendEnv: true };
  const path = process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin';
  return { env: { PATH: path, LC_ALL: 'C', ...environment }, extendEnv: false };
}

function streamsOf({ input, isDetached = false }: Command, output: number | undefined): Options {
  if (isDetached) return { detached: true, cleanup: false, cwd: '/', stdio: ['ignore', 'ignore', 'ignore'] };
  if (output !== undefined) {
    // Any descriptor will do; the types of execa end at 9.
    const descriptor = output as 3;
    return { cwd: '/', stdio: ['ignore', descriptor, descriptor] };
  }
  return input === undefined ? { stdin: 'ignore' } : { input };
}

function watch(argv: Argv, onLine: (line: string) => void): Watch {
  return keepWatching((tell, signal) => watchOnce(argv, tell, signal), onLine);
}

async function watchOnce([file, ...args]: Argv, onLine: (line: string) => void, signal: AbortSignal): Promise<void> {
  const child = execa(file, args, {
    env: toolEnvironment,
    reject: false,
    buffer: false,
    stdin: 'ignore',
    stderr: 'ignore',
    cancelSignal: signal,
  });
  try {
    for await (const line of child) onLine(line);
  } catch {
    // A child that dies or is stopped ends the iteration with an error; whoever keeps watching restarts it.
  }
  await child;
}

function whenEnded(argv: Argv, onPid: (pid: number) => void): Watch {
  return keepWatching(
    (_, signal) => waitBehind(argv, onPid, signal),
    () => undefined,
  );
}

/**
 * xargs reads until its input ends, which is when the last process that has the other end is gone: this one. Nothing else
 * that is everywhere becomes another program then, needs no shell, and takes a megabyte meanwhile.
 */
async function waitBehind(argv: Argv, onPid: (pid: number) => void, signal: AbortSignal): Promise<void> {
  const child = execa('xargs', argv, {
    reject: false,
    buffer: false,
    detached: true,
    cleanup: false,
    stdio: ['pipe', 'ignore', 'ignore'],
    cancelSignal: signal,
  });
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  if (child.pid !== undefined) onPid(child.pid);
  await child;
}

function shown(argv: Argv): string {
  const text = argv.join(' ');
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

const sysctlFile = (path: string): string => `/proc/sys/${path}`;

async function readSysctl(path: string): Promise<string | undefined> {
  return (await readText(sysctlFile(path)))?.trim();
}

async function writeSysctl(path: string, value: string): Promise<void> {
  try {
    await writeFile(sysctlFile(path), value);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new WarrenError(
      'privilege-missing',
      `cannot set ${path} to ${value} (${why}); set it on the host, or let the agent write below /proc/sys/net`,
      { cause },
    );
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}

async function fileExists(path: string): Promise<boolean> {
  try {
    await access(path, constants.F_OK);
    return true;
  } catch {
    return false;
  }
}
