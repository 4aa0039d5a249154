/** What changed since a revision: rows by `map_revision`, and tombstones of hosts that left. */
import type { HostId } from '../../shared/names.ts';
import type { Tx } from './transact.ts';

/** Milliseconds for which an agent that was away still gets a delta, and the most tombstones kept for it. */
const tombstoneLifetime = 7 * 24 * 60 * 60 * 1000;
const maxTombstones = 10_000;

/** SQLite takes 32,766 variables in a statement. */
const idsPerStatement = 10_000;

export async function markTouched(tx: Tx, ids: readonly HostId[], revision: number): Promise<void> {
  for (let i = 0; i < ids.length; i += idsPerStatement) {
    const some = ids.slice(i, i + idsPerStatement);
    await tx.db.updateTable('host').set({ map_revision: revision }).where('id', 'in', some).execute();
    await tx.db.deleteFrom('tombstone').where('host_id', 'in', some).execute();
  }
}

export async function recordRemoved(tx: Tx, ids: readonly HostId[], revision: number): Promise<void> {
  for (const host_id of ids) {
    await tx.db.replaceInto('tombstone').values({ host_id, revision, at: tx.now }).execute();
  }
  if (ids.length > 0) await pruneTombstones(tx, { before: tx.now - tombstoneLifetime, keep: maxTombstones });
}

/** Forgets tombstones older than `before` (ms) or beyond `keep`; deltas then reach back no further. */
export async function pruneTombstones(tx: Tx, { before, keep }: { before: number; keep: number }): Promise<void> {
  const old = await tx.db
    .selectFrom('tombstone')
    .select(({ fn }) => fn.max('revision').as('revision'))
    .where('at', '<', before)
    .executeTakeFirst();
  const beyond = await tx.db
    .selectFrom('tombstone')
    .select('revision')
    .orderBy('revision', 'desc')
    .limit(1)
    .offset(keep)
    .executeTakeFirst();
  const horizon = Math.max(old?.revision ?? 0, beyond?.revision ?? 0);
  if (horizon === 0) return;
  await tx.db.deleteFrom('tombstone').where('revision', '<=', horizon).execute();
  await tx.db.updateTable('meta').set({ oldest_revision: horizon }).where('oldest_revision', '<', horizon).execute();
}
