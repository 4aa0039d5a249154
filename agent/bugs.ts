/**
 * A promise that nobody waited for and an error that nobody caught are mistakes in this program. What they left undone is
 * not known, so the agent does not go on: it says what it met, ends in order, and whoever started it starts it again.
 */
import type { EventEmitter } from 'node:events';
import type { Logger } from 'pino';

export interface BugWatch {
  /** The first mistake that was met. */
  found(): unknown;
  stop(): void;
}

export interface BugWatchParts {
  readonly process: Pick<EventEmitter, 'on' | 'off'>;
  readonly log: Logger;
  /** Ends the agent in order; what cannot be ended any more must not keep the process. */
  readonly end: () => void;
}

const events = ['uncaughtException', 'unhandledRejection'] as const;

export function watchForBugs({ process, log, end }: BugWatchParts): BugWatch {
  let first: { readonly error: unknown } | undefined;
  const meet = (error: unknown): void => {
    log.fatal(
      { err: error instanceof Error ? error : new Error(String(error)) },
      'a mistake in warren: the agent ends',
    );
    if (first !== undefined) return;
    first = { error };
    end();
  };
  for (const event of events) process.on(event, meet);
  return {
    found: () => first?.error,
    stop: () => {
      for (const event of events) process.off(event, meet);
    },
  };
}
