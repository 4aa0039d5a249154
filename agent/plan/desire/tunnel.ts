/** The tunnel as it should be: its peers with what they may send and be sent, the routes into it, its MTU. */
import type { HostId } from '../../../shared/names.ts';
import type { Address } from '../../../shared/net/address.ts';
import { type Cidr, cidrFamily } from '../../../shared/net/cidr.ts';
import type { HostRecord, NetworkMap } from '../../../shared/network-map.ts';
import type { Desired, DesiredPeer, DesiredRoute } from '../desired.ts';
import type { LocalFacts } from '../local.ts';
import { indexRanges, pointOf } from '../ranges.ts';
import type { HostSettings } from '../settings.ts';
import { type Underlay, addressOf, tunnelOverheadBytes } from '../underlay.ts';
import type { Claim } from './claims.ts';
import { isNear } from './peers.ts';

/** What is known of the ways to the peers. */
export interface Ways {
  readonly candidates: ReadonlyMap<HostId, HostRecord['endpoints']>;
  readonly underlay: Underlay;
  readonly paths: LocalFacts['paths'];
}

export function desiredPeers(
  map: NetworkMap,
  believed: readonly HostRecord[],
  claims: readonly Claim[],
  { candidates, underlay, paths }: Ways,
): Desired['peers'] {
  const allowed = new Map<HostId, Cidr[]>();
  for (const { owner, prefix } of claims) {
    if (owner === undefined) continue;
    const list = allowed.get(owner);
    if (list === undefined) allowed.set(owner, [prefix]);
    else list.push(prefix);
  }
  // A peer on a LAN that this host itself advertises is reached on that LAN.
  const swallowing = claims.filter(
    (claim) => claim.kind !== 'container pool' && !(claim.isOwn && claim.kind === 'subnet'),
  );
  const inMesh = indexRanges(swallowing, (claim) => claim.range);
  const peers = new Map<DesiredPeer['publicKey'], DesiredPeer>();
  for (const host of believed) {
    const isOutside = (endpoint: DesiredPeer['candidates'][number]): boolean =>
      inMesh.overlap(pointOf(addressOf(endpoint))) === undefined;
    const outside = (candidates.get(host.id) ?? []).filter(isOutside);
    peers.set(host.publicKey, {
      hostId: host.id,
      name: host.name,
      publicKey: host.publicKey,
      allowedIps: [...new Set(allowed.get(host.id))].sort(),
      keepaliveSeconds: map.mesh.keepaliveSeconds,
      candidates: outside,
      nearCount: outside.filter((endpoint) => isNear(endpoint, underlay)).length,
      path: paths.get(host.publicKey),
    });
  }
  return peers;
}

/** One route per overlay pool, and one for each claim outside of it; everything goes into the tunnel. */
export function desiredRoutes(
  settings: HostSettings,
  claims: readonly Claim[],
  addresses: readonly Address[],
  underlay: Underlay,
): Desired['routes'] {
  const pools = indexRanges(
    claims.filter((claim) => claim.kind === 'overlay pool'),
    (claim) => claim.range,
  );
  const routes = new Map<Cidr, DesiredRoute>();
  for (const claim of claims) {
    const family = cidrFamily(claim.prefix);
    if (claim.isOwn || claim.kind === 'container pool' || (family === 6 && !underlay.isIpv6Usable)) continue;
    if (claim.kind === 'address' && pools.overlap(claim.range) !== undefined) continue;
    const source = addresses.find((address) => address.includes(':') === (family === 6));
    routes.set(claim.prefix, { prefix: claim.prefix, device: settings.interfaceName, source });
  }
  return routes;
}

export function tunnelMtu(meshMtu: number, underlay: Underlay, candidates: Iterable<HostRecord['endpoints']>): number {
  let mtu = meshMtu;
  for (const [first] of candidates) {
    const below = first === undefined ? undefined : underlay.mtuTo(addressOf(first));
    if (below !== undefined) mtu = Math.min(mtu, below - tunnelOverheadBytes);
  }
  // IPv6 needs 1280 bytes (RFC 8200 section 5); below that WireGuard's packets are fragmented instead.
  return Math.max(mtu, 1280);
}
