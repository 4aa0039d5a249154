/**
 * When to act on wake-ups: the first at once, those that follow within the window together at its end, never two at a
 * time. A wake-up during the work is not lost: the work runs once more.
 */
export interface Pacer {
  wake(): void;
  /** No more work; waits for what is under way. */
  stop(): Promise<void>;
}

export function createPacer(work: () => Promise<void>, windowMs: number, onError: (error: unknown) => void): Pacer {
  let window: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let isDue = false;
  let isStopped = false;

  const go = (): void => {
    if (!isDue || isStopped || window !== undefined || running !== undefined) return;
    isDue = false;
    window = setTimeout(() => {
      window = undefined;
      go();
    }, windowMs).unref();
    running = work()
      .catch(onError)
      .finally(() => {
        running = undefined;
        go();
      });
  };
  return {
    wake() {
      isDue = true;
      go();
    },
    async stop() {
      isStopped = true;
      clearTimeout(window);
      await running;
    },
  };
}
