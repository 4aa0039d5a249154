/** The log of the lock over HTTP, for admins and for hosts. */
import * as api from '../../shared/api/lock.ts';
import { type Route, read, write } from '../http/handler.ts';
import { appendEntries, resetLog } from '../lock/lock.ts';
import { listLockEntries, readLockHead } from '../store/lock.ts';
import type { Store } from '../store/open.ts';

const page = (store: Store, after: number): Promise<api.LockPage> =>
  store.snapshot(async (db) => ({
    lock: (await readLockHead(db)) ?? null,
    entries: await listLockEntries(db, { after, limit: api.maxLockEntries }),
  }));

const show = read(api.showLock, ({ deps, query }) => page(deps.store, query.after));
const fetch = read(api.fetchLock, ({ deps, query }) => page(deps.store, query.after));

const append = write(api.appendLock, async (ctx) => {
  const { lock, admitted } = await appendEntries(ctx.tx, ctx.body.entries);
  ctx.afterCommit(() => {
    for (const id of admitted) ctx.deps.feed.broadcastStanding(id);
  });
  return { lock };
});

const reset = write(api.resetLock, ({ tx }) => resetLog(tx));

export const lockRoutes: Route[] = [show, append, reset, fetch];
