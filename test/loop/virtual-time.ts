/**
 * Time that stands still until a test moves it. Replaces the global timers and `Date.now` while a history is played, so
 * that hours of server and agents take a moment and happen in one order. `setImmediate` stays real: between two timers
 * everything that can run without time passing runs.
 */

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  readonly everyMs: number | undefined;
}

export interface VirtualTime {
  now(): number;
  /** Fires what is due within the next `ms`, in order, letting everything settle after each. */
  pass(ms: number): Promise<void>;
  settle(): Promise<void>;
  /** Waits for `work`; time passes only when it waits for that. */
  finish<T>(work: Promise<T>): Promise<T>;
  restore(): void;
}

/** Turns of the event loop without time passing; deep enough for a commit to reach every agent's kernel. */
const turns = 12;

export function installVirtualTime(startAt: number): VirtualTime {
  const real = { setTimeout, clearTimeout, setInterval, clearInterval, now: Date.now };
  const entries = new Map<object, Entry>();
  let now = startAt;
  let order = 0;

  const schedule = (run: () => void, ms: number, everyMs?: number): object => {
    const handle = { unref: () => handle, ref: () => handle, hasRef: () => false, refresh: () => handle };
    entries.set(handle, { at: now + Math.max(1, Math.floor(ms)), order: (order += 1), run, everyMs });
    return handle;
  };
  const cancel = (handle: unknown): void => void entries.delete(handle as object);
  const fakes = {
    setTimeout: (fn: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => schedule(() => fn(...args), ms),
    setInterval: (fn: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => schedule(() => fn(...args), ms, ms),
    clearTimeout: cancel,
    clearInterval: cancel,
  };
  Object.assign(globalThis, fakes);
  Date.now = () => now;

  const settle = async (): Promise<void> => {
    for (let i = 0; i < turns; i += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  const nextDue = (until: number): [object, Entry] | undefined => {
    let best: [object, Entry] | undefined;
    for (const [handle, entry] of entries) {
      if (entry.at > until) continue;
      if (best === undefined || entry.at < best[1].at || (entry.at === best[1].at && entry.order < best[1].order)) {
        best = [handle, entry];
      }
    }
    return best;
  };
  const pass = async (ms: number): Promise<void> => {
    const until = now + ms;
    await settle();
    for (let due = nextDue(until); due !== undefined; due = nextDue(until)) {
      const [handle, entry] = due;
      now = Math.max(now, entry.at);
      if (entry.everyMs === undefined) entries.delete(handle);
      else entries.set(handle, { ...entry, at: now + Math.max(1, Math.floor(entry.everyMs)) });
      entry.run();
      await settle();
    }
    now = until;
  };
  return {
    now: () => now,
    settle,
    pass,
    async finish(work) {
      const unfinished = Symbol('unfinished');
      work.catch(() => undefined);
      // Disk and database are real and take real time on a busy machine; the real clock bounds the wait for them.
      const deadline = performance.now() + 60_000;
      for (let i = 0; performance.now() < deadline; i += 1) {
        await settle();
        const outcome = await Promise.race([work, Promise.resolve(unfinished)]);
        if (outcome !== unfinished) return work;
        if (i % 20 === 19) await pass(50);
      }
      throw new Error('work does not end');
    },
    restore() {
      const { now: realNow, ...timers } = real;
      Object.assign(globalThis, timers);
      Date.now = realNow;
    },
  };
}
