/** What a mesh of numbered hosts reaches, for tests of hooks. */
import type { ReachFacts } from '../../../agent/hooks/reach.ts';
import type { DesiredPeer } from '../../../agent/plan/desired.ts';
import type { ObservedPeer } from '../../../agent/plan/observed.ts';
import { owners } from '../../../shared/owners.ts';
import { parseHostId } from '../../../shared/names.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { parseEndpoint } from '../../../shared/net/endpoint.ts';
import type { NetworkMap } from '../../../shared/network-map.ts';
import type { PublicKey } from '../../../shared/wireguard.ts';
import { nothingReached } from '../../../agent/hooks/reach.ts';
import { hostId } from '../../support/mesh-map.ts';

export const now = 1_000_000_000_000;

/** Host 1 looks at `map`; `ages` gives seconds since the last handshake by host number, none for a silent one. */
export function facts(
  map: NetworkMap,
  ages: Readonly<Record<number, number>>,
  changes: Partial<ReachFacts> & { keepaliveSeconds?: number } = {},
): ReachFacts {
  const owner = owners(map.hosts);
  const desired = new Map<PublicKey, DesiredPeer>();
  const observed = new Map<PublicKey, ObservedPeer>();
  for (const host of map.hosts.slice(1)) {
    const number = map.hosts.indexOf(host) + 1;
    const carried = host.subnets.map((one) => one.prefix).filter((prefix) => owner.get(prefix) === host.id);
    const own = host.addresses.map((one) => parseCidr(`${one}/${one.includes(':') ? 128 : 32}`));
    const allowedIps = [...own, ...host.leases, ...carried];
    const { publicKey, name, id } = host;
    const keepaliveSeconds = changes.keepaliveSeconds ?? 25;
    const way = { candidates: host.endpoints, nearCount: 0, path: undefined, presharedKey: undefined };
    desired.set(publicKey, { publicKey, name, hostId: id, allowedIps, keepaliveSeconds, ...way });
    const age = ages[number];
    observed.set(publicKey, {
      publicKey,
      allowedIps,
      keepaliveSeconds,
      endpoint: parseEndpoint(`198.51.100.${number}:40000`),
      hasEndpoint: true,
      presharedKeyId: undefined,
      handshakeAt: age === undefined ? 0 : now - age * 1000,
      rxBytes: 0,
      txBytes: 0,
    });
  }
  return {
    map,
    selfId: parseHostId(hostId(1)),
    desired: { isMember: true, peers: desired },
    wireguard: { peers: observed },
    liveness: new Map(),
    before: nothingReached,
    now,
    ...changes,
  };
}
