/** The log of a locked mesh. It is part of the mesh's settings: whoever appends calls `tx.touchMesh` as well. */
import type { LockEntry } from '../../shared/lock/entry.ts';
import type { LockHead } from '../../shared/lock/log.ts';
import type { Db } from './schema.ts';
import type { Tx } from './transact.ts';

/** Undefined: the mesh is not locked. */
export async function readLockHead(db: Db): Promise<LockHead | undefined> {
  const newest = await db
    .selectFrom('lock_entry')
    .select(['n', 'hash'])
    .orderBy('n', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (newest === undefined) return undefined;
  const { hash } = await db.selectFrom('lock_entry').select('hash').where('n', '=', 0).executeTakeFirstOrThrow();
  return { height: newest.n + 1, head: newest.hash, root: hash };
}

/** In order, from place `after`. */
export async function listLockEntries(
  db: Db,
  { after, limit }: { after: number; limit?: number },
): Promise<LockEntry[]> {
  const query = db.selectFrom('lock_entry').select(['body', 'signature']).where('n', '>=', after).orderBy('n');
  return (limit === undefined ? query : query.limit(limit)).execute();
}

export async function insertLockEntry(tx: Tx, entry: LockEntry & { n: number; hash: string }): Promise<void> {
  const { n, body, signature, hash } = entry;
  await tx.db.insertInto('lock_entry').values({ n, body, signature, hash, added_at: tx.now }).execute();
}

/** Answers how many there were. */
export async function deleteLockEntries(tx: Tx): Promise<number> {
  const { numDeletedRows } = await tx.db.deleteFrom('lock_entry').executeTakeFirst();
  return Number(numDeletedRows);
}
