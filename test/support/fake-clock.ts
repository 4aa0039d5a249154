/** A clock that stands until a test moves it; timers fire in order of their time. */
import type { Clock, Timer } from '../../agent/clock.ts';

export interface FakeClock extends Clock {
  /** Moves on by `ms`, firing what becomes due and letting promises settle in between. */
  advance(ms: number): Promise<void>;
}

export function createFakeClock(
  random: () => number = () => 0.5,
  startAt = Date.parse('2026-01-01T00:00:00Z'),
  /** For work that waits for more than the event loop: resolves when what was begun before is done. */
  finish?: () => Promise<unknown>,
): FakeClock {
  let now = startAt;
  let count = 0;
  const timers = new Map<number, { at: number; fn: () => void }>();
  const turns = async (): Promise<void> => {
    for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  const settle = async (): Promise<void> => {
    await turns();
    if (finish === undefined) return;
    await finish();
    await turns();
  };
  const firstDue = (until: number): [number, { at: number; fn: () => void }] | undefined =>
    [...timers].filter(([, { at }]) => at <= until).sort(([i, a], [j, b]) => a.at - b.at || i - j)[0];
  return {
    now: () => now,
    random,
    after: (ms, fn): Timer => {
      const id = (count += 1);
      timers.set(id, { at: now + ms, fn });
      return { cancel: () => void timers.delete(id) };
    },
    advance: async (ms) => {
      const end = now + ms;
      await settle();
      for (let due = firstDue(end); due !== undefined; due = firstDue(end)) {
        const [id, { at, fn }] = due;
        timers.delete(id);
        now = Math.max(now, at);
        fn();
        await settle();
      }
      now = end;
    },
  };
}
