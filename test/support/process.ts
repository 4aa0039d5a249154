/**
 * Long-running processes of a test: started, watched by their output file, stopped by signal. A process counts as gone
 * when it is a zombie too, because some init processes reap orphans late.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { until } from './wait.ts';

export interface Running {
  readonly pid: number;
  readonly logFile: string;
  /** Everything it printed so far, stdout and stderr. */
  output(): string;
  isRunning(): boolean;
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export function startProcess(
  argv: readonly string[],
  options: { logFile: string; env?: Readonly<Record<string, string>> },
): Running {
  const [file = '', ...args] = argv;
  const log = openSync(options.logFile, 'a');
  const env = { ...process.env, LC_ALL: 'C', ...options.env };
  const child = spawn(file, args, { stdio: ['ignore', log, log], env });
  closeSync(log);
  child.once('error', (error) => process.stderr.write(`${argv.join(' ')}: ${error.message}\n`));
  const pid = child.pid;
  if (pid === undefined) throw new Error(`could not start ${argv.join(' ')}`);
  return {
    pid,
    logFile: options.logFile,
    output: () => readFileSync(options.logFile, 'utf8'),
    isRunning: () => !hasEnded(child),
    stop: (signal = 'SIGTERM') => stop(child, argv, signal),
  };
}

async function stop(child: ChildProcess, argv: readonly string[], signal: NodeJS.Signals): Promise<void> {
  if (hasEnded(child)) return;
  child.kill(signal);
  await until(`${argv.slice(0, 6).join(' ')} ends after ${signal}`, { seconds: 15, everyMilliseconds: 10 }, () =>
    hasEnded(child),
  );
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

/** True for a process that runs, false for none and for a zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Tells a process from a later one with the same id. */
export function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
