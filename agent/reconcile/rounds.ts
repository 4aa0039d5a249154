/** One round at a time, as long as more are asked for; what is asked for during one gets one more, not many. */

export interface Rounds {
  ask(): void;
  /** Asks, and resolves after a round that began after the call. */
  settle(): Promise<void>;
  isRunning(): boolean;
  isStopped(): boolean;
  /** After the running round none begins any more. */
  stop(): Promise<void>;
}

export function createRounds(round: () => Promise<void>, onBroken: (error: unknown) => void): Rounds {
  let wanted = 0;
  let done = 0;
  let running: Promise<void> | undefined;
  let isStopped = false;
  let waiters: { readonly round: number; readonly resolve: () => void }[] = [];

  const isDue = (): boolean => done < wanted && !isStopped;
  /** Ends in the same turn in which it finds nothing to do, so nothing asked for falls between. */
  const run = async (): Promise<void> => {
    try {
      while (isDue()) {
        const number = wanted;
        await round();
        done = number;
        const ready = waiters.filter((waiter) => waiter.round <= done);
        waiters = waiters.filter((waiter) => waiter.round > done);
        for (const { resolve } of ready) resolve();
      }
    } catch (error) {
      onBroken(error);
    } finally {
      running = undefined;
    }
  };
  const ask = (): void => {
    if (isStopped) return;
    wanted += 1;
    running ??= run();
  };
  return {
    ask,
    settle: () =>
      new Promise((resolve) => {
        if (isStopped) return resolve();
        ask();
        waiters.push({ round: wanted, resolve });
      }),
    isRunning: () => running !== undefined,
    isStopped: () => isStopped,
    stop: async () => {
      isStopped = true;
      await running;
      for (const { resolve } of waiters) resolve();
    },
  };
}
