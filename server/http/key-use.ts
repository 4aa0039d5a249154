/** Remembers when each API key was last used: one small write a minute and key, whatever the traffic. */
import type { Deps } from '../deps.ts';
import { type StoredKey, recordKeyUse } from '../store/keys.ts';

const saveEveryMs = 60_000;

export function createKeyUse({ store, clock, log }: Pick<Deps, 'store' | 'clock' | 'log'>): (key: StoredKey) => void {
  const savedAt = new Map<string, number>();
  return ({ id, lastUsedAt }) => {
    const now = clock.now();
    const last = savedAt.get(id) ?? lastUsedAt ?? 0;
    if (now - last < saveEveryMs) return;
    savedAt.set(id, now);
    store
      .transact('server', (tx) => recordKeyUse(tx, id, now))
      .catch((error: unknown) => {
        log.warn({ err: error, key: id }, 'the use of a key was not recorded');
      });
  };
}
