/** The tunnel as it should be: its peers with what they may send and be sent, the routes into it, its MTU. */
import type { HostId } from '../../../shared/names.ts';
import type { Address } from '../../../shared/net/address.ts';
import { type Cidr, cidrFamily } from '../../../shared/net/cidr.ts';
import type { HostRecord, NetworkMap } from '../../../shared/network-map.ts';
import type { Desired, DesiredPeer, DesiredRoute } from '../desired.ts';
import type { LocalFacts } from '../local.ts';
import type { Observed } from '../observed.ts';
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
  readonly presharedKeys: LocalFacts['presharedKeys'];
}

export function desiredPeers(
  map: NetworkMap,
  believed: readonly HostRecord[],
  claims: readonly Claim[],
  { candidates, underlay, paths, presharedKeys }: Ways,
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
      presharedKey: presharedKeys.get(host.publicKey),
    });
  }
  return peers;
}

/**
 * One route per overlay pool, and one for each claim outside of it or to a peer whom less than the tunnel's MTU reaches;
 * everything goes into the tunnel.
 */
export function desiredRoutes(
  settings: HostSettings,
  claims: readonly Claim[],
  addresses: readonly Address[],
  underlay: Underlay,
  mtuOf: (claim: Claim) => number | undefined,
): Desired['routes'] {
  const pools = indexRanges(
    claims.filter((claim) => claim.kind === 'overlay pool'),
    (claim) => claim.range,
  );
  const routes = new Map<Cidr, DesiredRoute>();
  for (const claim of claims) {
    const family = cidrFamily(claim.prefix);
    if (claim.isOwn || claim.kind === 'container pool' || (family === 6 && !underlay.isIpv6Usable)) continue;
    const mtu = mtuOf(claim);
    if (claim.kind === 'address' && mtu === undefined && pools.overlap(claim.range) !== undefined) continue;
    const source = addresses.find((address) => address.includes(':') === (family === 6));
    routes.set(claim.prefix, { prefix: claim.prefix, device: settings.interfaceName, source, mtu });
  }
  return routes;
}

/** What fits to the owner of a claim, where it is less than the tunnel's MTU. */
export function narrowRoutes(
  peers: Desired['peers'],
  innerMtus: LocalFacts['innerMtus'],
  tunnel: { readonly interfaceName: string; readonly mtu: number },
  observed: Observed,
): (claim: Claim) => number | undefined {
  const known = new Map([...peers.values()].map(({ hostId, publicKey }) => [hostId, innerMtus.get(publicKey)]));
  // An agent that has just begun goes by what it left in the kernel.
  const left = new Map(
    observed.routes.filter(({ device }) => device === tunnel.interfaceName).map(({ prefix, mtu }) => [prefix, mtu]),
  );
  return ({ owner, prefix }) => {
    if (owner === undefined) return undefined;
    const found = known.get(owner) ?? left.get(prefix);
    if (found === undefined) return undefined;
    const mtu = cidrFamily(prefix) === 6 ? Math.max(found, leastIpv6Mtu) : found;
    return mtu < tunnel.mtu ? mtu : undefined;
  };
}

/** RFC 8200 section 5. */
const leastIpv6Mtu = 1280;

export function tunnelMtu(meshMtu: number, underlay: Underlay, candidates: Iterable<HostRecord['endpoints']>): number {
  let mtu = meshMtu;
  for (const [first] of candidates) {
    const below = first === undefined ? undefined : underlay.mtuTo(addressOf(first));
    if (below !== undefined) mtu = Math.min(mtu, below - tunnelOverheadBytes);
  }
  // Below that WireGuard's packets are fragmented instead.
  return Math.max(mtu, leastIpv6Mtu);
}
