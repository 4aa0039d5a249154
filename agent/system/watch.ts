/** Long-lived programs whose lines are events (`ip monitor`, `nft monitor`): kept running with a doubling delay. */
import type { Watch } from './run.ts';

const firstDelayMs = 250;
const longestDelayMs = 30_000;

/** Runs the program once; resolves when it ended, never rejects. */
export type WatchOnce = (onLine: (line: string) => void, signal: AbortSignal) => Promise<void>;

/** After each restart the caller gets an empty line: events may have been lost. */
export function keepWatching(watchOnce: WatchOnce, onLine: (line: string) => void): Watch {
  const stopped = new AbortController();
  void restart(watchOnce, onLine, stopped.signal);
  return { stop: () => stopped.abort() };
}

async function restart(watchOnce: WatchOnce, onLine: (line: string) => void, signal: AbortSignal): Promise<void> {
  let delayMs = firstDelayMs;
  while (!signal.aborted) {
    const startedAt = performance.now();
    await watchOnce(onLine, signal);
    if (performance.now() - startedAt > longestDelayMs) delayMs = firstDelayMs;
    if (await isAbortedWithin(delayMs, signal)) return;
    delayMs = Math.min(delayMs * 2, longestDelayMs);
    onLine('');
  }
}

function isAbortedWithin(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(true);
  return new Promise((resolve) => {
    const done = (isAborted: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      resolve(isAborted);
    };
    const onAbort = (): void => done(true);
    const timer = setTimeout(() => done(false), ms);
    signal.addEventListener('abort', onAbort);
  });
}
