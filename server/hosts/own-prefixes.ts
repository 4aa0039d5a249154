/** The addresses that are a host's own: its leases, its overlay addresses, and the subnets an operator gave it. */
import type { HostId } from '../../shared/names.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import { readLeases } from '../store/leases.ts';
import type { Db } from '../store/open.ts';
import { listSubnetsOfHost } from '../store/subnets.ts';

export async function ownPrefixes(db: Db, hostId: HostId): Promise<Cidr[]> {
  const leases = (await readLeases(db, [hostId])).get(hostId) ?? [];
  const subnets = (await listSubnetsOfHost(db, hostId)).filter(({ state }) => state === 'approved');
  return [...leases, ...subnets].map(({ prefix }) => prefix);
}
