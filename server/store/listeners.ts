/** Which host's WireGuard listens on a port. */
import type { HostId, HostName } from '../../shared/names.ts';
import type { Db } from './schema.ts';

/** The first by name, of all hosts or of one; what a host listens on is what it last told. */
export async function findListener(
  db: Db,
  { port, hostId }: { port: number; hostId: HostId | null },
): Promise<HostName | undefined> {
  let query = db.selectFrom('host').select('name').where('listen_port', '=', port);
  if (hostId !== null) query = query.where('id', '=', hostId);
  return (await query.orderBy('name').limit(1).executeTakeFirst())?.name;
}
