/** Every claim of the map, and which of them this host believes by what it sees of its own networks and tunnels. */
import type { HostId } from '../../../shared/names.ts';
import type { Cidr } from '../../../shared/net/cidr.ts';
import type { HostRecord, NetworkMap } from '../../../shared/network-map.ts';
import { owners } from '../../../shared/owners.ts';
import { isHandshakeFresh } from '../endpoints.ts';
import type { Observed } from '../observed.ts';
import { prefixOfOne, rangeOf } from '../ranges.ts';
import type { HostSettings } from '../settings.ts';
import type { Underlay } from '../underlay.ts';
import { type BelievedClaims, type Claim, believeClaims } from './claims.ts';

export interface MapInView {
  readonly map: NetworkMap;
  readonly settings: HostSettings;
  readonly self: HostRecord | undefined;
  /** Hosts that are believed to be who they say. */
  readonly peers: readonly HostRecord[];
  /** Their endpoints, in the order in which they are tried. */
  readonly candidates: ReadonlyMap<HostId, HostRecord['endpoints']>;
}

export function believe(view: MapInView, underlay: Underlay, observed: Observed): BelievedClaims {
  const { map, settings, self, peers, candidates } = view;
  if (self === undefined) return { claims: [], refusals: [] };
  const names = new Map(map.hosts.map((host) => [host.id, host.name]));
  const keys = new Map(map.hosts.map((host) => [host.id, host.publicKey]));
  const tunnels = observed.wireguard?.peers;
  const used = peers.flatMap((host) => {
    const peer = tunnels?.get(host.publicKey);
    if (peer?.endpoint === undefined || !isHandshakeFresh(peer, observed.observedAt)) return [];
    return [{ endpoint: peer.endpoint, name: host.name }];
  });
  return believeClaims(collectClaims(map, self, peers), {
    underlay,
    ownSubnets: new Set(self.subnets.map((subnet) => subnet.prefix)),
    serverAddress: settings.serverAddress,
    usedEndpoints: used,
    candidates: peers.map((host) => ({ name: host.name, endpoints: candidates.get(host.id) ?? [] })),
    isIncumbent: ({ owner, prefix }) => {
      const key = owner === undefined ? undefined : keys.get(owner);
      return key !== undefined && tunnels?.get(key)?.allowedIps.includes(prefix) === true;
    },
    describe: (owner) => (owner === undefined ? 'the mesh' : (names.get(owner) ?? owner)),
  });
}

function collectClaims(map: NetworkMap, self: HostRecord, peers: readonly HostRecord[]): Claim[] {
  const owner = owners(map.hosts);
  const claims: Claim[] = [];
  const pools = [
    ...map.mesh.overlayPools.map((prefix) => ({ prefix, kind: 'overlay pool' as const })),
    ...map.mesh.containerPools.map((prefix) => ({ prefix, kind: 'container pool' as const })),
  ];
  for (const { prefix, kind } of pools) {
    claims.push({ prefix, range: rangeOf(prefix), owner: undefined, kind, isOwn: false });
  }
  for (const host of [self, ...peers]) {
    const add = (prefix: Cidr, kind: Claim['kind']): void => {
      claims.push({ prefix, range: rangeOf(prefix), owner: host.id, kind, isOwn: host === self });
    };
    for (const address of host.addresses) add(prefixOfOne(address), 'address');
    for (const lease of host.leases) add(lease, 'lease');
    for (const { prefix } of host.subnets) if (owner.get(prefix) === host.id) add(prefix, 'subnet');
  }
  return claims;
}
