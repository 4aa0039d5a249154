/**
 * What this host reaches now, as hooks are told of it: itself while it is in the mesh, the hosts that answer, and the
 * subnets that are led to them. Pure.
 */
import { z } from 'zod';
import { type HostId, hostIdSchema, hostNameSchema } from '../../shared/names.ts';
import { addressSchema } from '../../shared/net/address.ts';
import { cidrSchema } from '../../shared/net/cidr.ts';
import { endpointSchema } from '../../shared/net/endpoint.ts';
import { type HostRecord, type NetworkMap, weightSchema } from '../../shared/network-map.ts';
import { owners } from '../../shared/owners.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { Desired, DesiredPeer } from '../plan/desired.ts';
import { isHandshakeFresh } from '../plan/endpoints.ts';
import type { Verdict } from '../paths/liveness.ts';
import type { ObservedPeer, ObservedWireguard } from '../plan/observed.ts';

const reachedHostSchema = z.strictObject({
  id: hostIdSchema,
  name: hostNameSchema,
  addresses: z.array(addressSchema).max(2),
  /** Where its packets come from; null for this host, and where the backend does not say. */
  endpoint: endpointSchema.nullable(),
});
export type ReachedHost = z.infer<typeof reachedHostSchema>;

const reachedSubnetSchema = z.strictObject({
  prefix: cidrSchema,
  /** Null for a container subnet, which nobody else can have. */
  weight: weightSchema.nullable(),
  owner: reachedHostSchema,
});
export type ReachedSubnet = z.infer<typeof reachedSubnetSchema>;

export const reachSchema = z.strictObject({
  /** Null while this host is in no mesh. */
  self: reachedHostSchema.nullable(),
  hosts: z.array(reachedHostSchema),
  subnets: z.array(reachedSubnetSchema),
});
export type Reach = z.infer<typeof reachSchema>;

export const nothingReached: Reach = { self: null, hosts: [], subnets: [] };

export interface ReachFacts {
  readonly map: NetworkMap;
  readonly selfId: HostId;
  readonly desired: Pick<Desired, 'isMember' | 'peers'>;
  readonly wireguard: Pick<ObservedWireguard, 'peers'>;
  /** What this host itself finds of its peers; of those that are not in it their handshakes tell. */
  readonly liveness: ReadonlyMap<PublicKey, Verdict>;
  /** What was reached before: a peer that is never asked for a sign of life keeps its standing. */
  readonly before: Reach;
  readonly now: number;
}

export function reachOf({ map, selfId, desired, wireguard, liveness, before, now }: ReachFacts): Reach {
  const records = new Map(map.hosts.map((host) => [host.id, host]));
  const self = records.get(selfId);
  if (self === undefined || !desired.isMember) return nothingReached;
  const wasUp = new Set(before.hosts.map((host) => host.id));
  const me = describe(self, null);
  const reach: Reach = {
    self: me,
    hosts: [],
    subnets: ownPrefixes(self, map).map((prefix) => subnet(me, self, prefix)),
  };
  for (const [key, peer] of desired.peers) {
    const record = records.get(peer.hostId);
    const observed = wireguard.peers.get(key);
    if (record === undefined || observed === undefined) continue;
    if (!isUp(peer, observed, liveness.get(key), wasUp.has(peer.hostId), now)) continue;
    const host = describe(record, observed.endpoint ?? null);
    reach.hosts.push(host);
    const own: ReadonlySet<string> = new Set(record.addresses);
    for (const prefix of peer.allowedIps) {
      if (!own.has(prefix.replace(/\/\d+$/, ''))) reach.subnets.push(subnet(host, record, prefix));
    }
  }
  return reach;
}

/** Where nothing was found of a peer, and it has no keepalive, it is silent whenever there is nothing to say. */
function isUp(
  peer: DesiredPeer,
  observed: ObservedPeer,
  verdict: Verdict | undefined,
  wasUp: boolean,
  now: number,
): boolean {
  if (verdict === 'dead') return false;
  if (verdict === 'alive' && observed.handshakeAt > 0) return true;
  return isHandshakeFresh(observed, now) || (wasUp && peer.keepaliveSeconds === 0 && observed.handshakeAt > 0);
}

function ownPrefixes(self: HostRecord, map: NetworkMap): HostRecord['leases'] {
  const owner = owners(map.hosts);
  const carried = self.subnets.map(({ prefix }) => prefix).filter((prefix) => owner.get(prefix) === self.id);
  return [...self.leases, ...carried];
}

function subnet(owner: ReachedHost, record: HostRecord, prefix: ReachedSubnet['prefix']): ReachedSubnet {
  return { prefix, owner, weight: record.subnets.find((one) => one.prefix === prefix)?.weight ?? null };
}

function describe({ id, name, addresses }: HostRecord, endpoint: ReachedHost['endpoint']): ReachedHost {
  return { id, name, addresses, endpoint };
}
