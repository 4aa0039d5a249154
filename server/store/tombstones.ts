/** Hosts that left the network map, as far back as deltas reach. */
import type { HostId } from '../../shared/names.ts';
import type { Db } from './schema.ts';

/** True while the removal is remembered; a host whose row is gone and that has no tombstone may never have been here. */
export async function isTombstoned(db: Db, id: HostId): Promise<boolean> {
  const row = await db.selectFrom('tombstone').select('host_id').where('host_id', '=', id).executeTakeFirst();
  return row !== undefined;
}
