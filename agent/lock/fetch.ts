/** Gets the entries that a map tells of and this host does not have, one page after the other, and tries again later. */
import type { Logger } from 'pino';
import type { LockPage } from '../../shared/api/lock.ts';
import { asWarrenError } from '../../shared/errors.ts';
import type { Clock } from '../clock.ts';
import { createTimers } from '../reconcile/timers.ts';
import { createRounds } from '../reconcile/rounds.ts';
import type { LockBook } from './book.ts';

export interface LockFetch {
  /** A map came, or a root was pinned. */
  look(): void;
  stop(): Promise<void>;
}

const retryMs = 15_000;
const spreadPerHostMs = 2;
const widestSpreadMs = 20_000;

export function startLockFetch(options: {
  readonly book: LockBook;
  readonly fetch: (after: number) => Promise<LockPage>;
  /** Resolves when the map that told of them is on the disk; the log there is never ahead of the map. */
  readonly mapSaved: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Hosts in the mesh; all of them want the same entries at the same time. */
  readonly hostCount: () => number;
  /** The log grew, or an alarm came or went. */
  readonly onChange: () => void;
}): LockFetch {
  const { book, clock, log, onChange } = options;
  const timers = createTimers(clock);

  const fetchAll = async (): Promise<void> => {
    for (let wanted = book.wanted(); wanted !== undefined && !rounds.isStopped(); wanted = book.wanted()) {
      const { after, height } = wanted;
      try {
        const { entries } = await options.fetch(after);
        await options.mapSaved();
        // No further than the map tells.
        const added = entries.slice(0, height - after);
        if (added.length === 0) throw new Error(`the server tells of ${height} entries and gives none after ${after}`);
        await book.extend(added);
        book.note(undefined);
        log.info({ height: book.head()?.height }, 'lock log extended');
      } catch (error) {
        const why = `entries ${after} to ${height - 1} of the lock's log: ${asWarrenError(error).message}`;
        log.warn({ why }, 'lock log not extended');
        book.note({ kind: 'lock-behind', subject: 'lock', why });
        timers.later('retry', retryMs, () => rounds.ask());
        break;
      }
      onChange();
    }
    onChange();
  };
  const rounds = createRounds(fetchAll, (error) => log.error({ err: error }, 'lock fetch broke'));
  return {
    look: () => {
      if (book.wanted() === undefined) return;
      const spreadMs = Math.min(widestSpreadMs, spreadPerHostMs * options.hostCount());
      timers.later('fetch', clock.random() * spreadMs, () => rounds.ask());
    },
    stop: async () => {
      timers.stop();
      await rounds.stop();
    },
  };
}
