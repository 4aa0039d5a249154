/** Waits for conditions, never for time. A deadline that passes says what was waited for and what was seen last. */
import { setTimeout as sleep } from 'node:timers/promises';
import { patience } from './lab-config.ts';

export interface WaitOptions {
  readonly seconds: number;
  readonly everyMilliseconds?: number;
}

/** Resolves with the first value of `probe` that is not undefined or false; errors of `probe` count as "not yet". */
export async function until<T>(
  what: string,
  options: WaitOptions,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const seconds = options.seconds * patience;
  const deadline = performance.now() + seconds * 1000;
  let last: unknown = 'nothing';
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      const seen = last instanceof Error ? last.message : String(last);
      throw new Error(`not within ${seconds} s: ${what}; last error: ${seen}`);
    }
    await sleep(options.everyMilliseconds ?? 50);
  }
}
