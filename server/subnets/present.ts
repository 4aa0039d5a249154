/** Subnets as the API shows them. Who carries a prefix is `owners()` again, the same rule that every agent follows. */
import type { Subnet } from '../../shared/api/subnets.ts';
import type { HostId } from '../../shared/names.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import { type Claimant, owners } from '../../shared/owners.ts';
import type { Db } from '../store/open.ts';
import { type StoredSubnet, type SubnetClaim, listClaims } from '../store/subnets.ts';
import { formatTime } from '../time.ts';

export async function presentSubnets(db: Db, subnets: readonly StoredSubnet[]): Promise<Subnet[]> {
  const prefixes = [...new Set(subnets.map((subnet) => subnet.prefix))];
  const carriers = owners(claimants(await listClaims(db, prefixes)));
  return subnets.map((subnet) => presentSubnet(subnet, carriers));
}

function presentSubnet(subnet: StoredSubnet, carriers: ReadonlyMap<Cidr, HostId>): Subnet {
  return {
    id: subnet.id,
    hostId: subnet.hostId,
    hostName: subnet.hostName,
    prefix: subnet.prefix,
    weight: subnet.weight,
    state: subnet.state,
    isActive: subnet.state === 'approved' && carriers.get(subnet.prefix) === subnet.hostId,
    createdAt: formatTime(subnet.createdAt),
    version: subnet.version,
  };
}

function claimants(claims: readonly SubnetClaim[]): Claimant[] {
  return claims.map(({ hostId, hostName, isGone, prefix, weight }) => ({
    id: hostId,
    name: hostName,
    isGone,
    subnets: [{ prefix, weight }],
  }));
}
