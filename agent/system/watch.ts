/** Long-lived programs whose lines are events: `ip monitor`, `nft monitor`. */
import { execa } from 'execa';
import type { Argv, Watch } from './run.ts';

const firstDelayMs = 250;
const longestDelayMs = 30_000;

/** Restarts the program with a doubling delay while it keeps dying, and tells the caller by an empty line that events may be lost. */
export function startWatch(argv: Argv, onLine: (line: string) => void): Watch {
  const stopped = new AbortController();
  void keepWatching(argv, onLine, stopped.signal);
  return { stop: () => stopped.abort() };
}

async function keepWatching(argv: Argv, onLine: (line: string) => void, signal: AbortSignal): Promise<void> {
  let delayMs = firstDelayMs;
  while (!signal.aborted) {
    const startedAt = performance.now();
    await watchOnce(argv, onLine, signal);
    if (performance.now() - startedAt > longestDelayMs) delayMs = firstDelayMs;
    if (await isAbortedWithin(delayMs, signal)) return;
    delayMs = Math.min(delayMs * 2, longestDelayMs);
    onLine('');
  }
}

async function watchOnce([file, ...args]: Argv, onLine: (line: string) => void, signal: AbortSignal): Promise<void> {
  const child = execa(file, args, {
    env: { LC_ALL: 'C' },
    reject: false,
    buffer: false,
    stdin: 'ignore',
    stderr: 'ignore',
    cancelSignal: signal,
  });
  try {
    for await (const line of child) onLine(line);
  } catch {
    // A cancelled or dying child ends the iteration with an error; the caller restarts it or stops.
  }
  await child;
}

function isAbortedWithin(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(true);
  return new Promise((resolve) => {
    const timer = setTimeout(() => done(false), ms);
    const done = (isAborted: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      resolve(isAborted);
    };
    const onAbort = (): void => done(true);
    signal.addEventListener('abort', onAbort);
  });
}
