/** Timers by name: an earlier one of the same name stands, and none fires after the end. */
import type { Clock, Timer } from '../clock.ts';

export interface Timers {
  later(name: string, ms: number, fn: () => void): void;
  /** As `later`, again and again: each time counts from the end of the one before. */
  every(name: string, ms: number, fn: () => void | Promise<void>): void;
  cancel(name: string): void;
  stop(): void;
}

export function createTimers(clock: Clock): Timers {
  const running = new Map<string, Timer>();
  let isStopped = false;
  const timers: Timers = {
    later: (name, ms, fn) => {
      if (isStopped || running.has(name)) return;
      const fire = (): void => {
        running.delete(name);
        fn();
      };
      running.set(name, clock.after(ms, fire));
    },
    every: (name, ms, fn) =>
      timers.later(name, ms, () => {
        const done = fn();
        if (done === undefined) timers.every(name, ms, fn);
        else void done.finally(() => timers.every(name, ms, fn));
      }),
    cancel: (name) => {
      running.get(name)?.cancel();
      running.delete(name);
    },
    stop: () => {
      isStopped = true;
      for (const timer of running.values()) timer.cancel();
      running.clear();
    },
  };
  return timers;
}
