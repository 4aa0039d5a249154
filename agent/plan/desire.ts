/**
 * Makes the wanted state of this host of its map. A host that is not in its own map (removed, disabled, not approved)
 * keeps the links it has and loses addresses, peers and routes.
 */
import type { HostRecord, NetworkMap } from '../../shared/network-map.ts';
import type { HostId } from '../../shared/names.ts';
import type { Address } from '../../shared/net/address.ts';
import { type Cidr, addressAt, cidrFamily } from '../../shared/net/cidr.ts';
import { owners } from '../../shared/owners.ts';
import { desireSegments } from './bridged.ts';
import { type Claim, believeClaims } from './claims.ts';
import type { Desired, DesiredBridge, DesiredPeer, DesiredRoute, Refusal } from './desired.ts';
import { isHandshakeFresh } from './endpoints.ts';
import { firewallInput, iptablesWish, refusedPublications } from './firewall/wish.ts';
import { publishedPorts } from './firewall/publish.ts';
import { planBridgeTable, planTable } from './firewall/table.ts';
import type { LocalFacts } from './local.ts';
import type { Observed } from './observed.ts';
import { believePeers, orderCandidates } from './peers.ts';
import { indexRanges, pointOf, prefixOfOne, rangeOf } from './ranges.ts';
import { type AttachmentSpec, type HostSettings, linkMark } from './settings.ts';
import { type Underlay, addressOf, readUnderlay, tunnelOverheadBytes } from './underlay.ts';

export interface Desire {
  readonly desired: Desired;
  readonly refusals: readonly Refusal[];
}

/** What the wanted state follows from, besides what the underlay looks like. */
export interface Wish {
  readonly map: NetworkMap;
  readonly settings: HostSettings;
  readonly attachments: readonly AttachmentSpec[];
  readonly local: LocalFacts;
}

export function desire({ map, settings, attachments, local }: Wish, observed: Observed): Desire {
  const underlay = readUnderlay(observed, settings);
  const self = map.hosts.find((host) => host.id === settings.selfId);
  const { peers: believed, refusals: peerRefusals } =
    self === undefined ? { peers: [], refusals: [] } : believePeers(map.hosts, settings);
  const candidates = new Map(believed.map((host) => [host.id, orderCandidates(host.endpoints, underlay)]));
  const own = ownPrefixes(self, underlay);
  const claimed = believe(map, settings, observed, underlay, self, believed, candidates);
  const mtu = tunnelMtu(map.mesh.mtu, underlay, candidates.values());
  const bridge = planGateway(settings, own.leases, mtu);
  const { segments, refusals: segmentRefusals } = desireSegments({
    map,
    settings,
    self,
    workloads: local.workloads,
    peers: believed,
    claims: claimed.claims,
    addresses: own.addresses,
    mtu,
  });
  const claims = claimed.claims.map((claim) => claim.prefix);
  const mesh = [...map.mesh.overlayPools, ...map.mesh.containerPools, ...claims];
  const rules = firewallInput({ map, settings, local }, self, own, bridge, segments, mesh, observed.links);
  const desired: Desired = {
    isMember: self !== undefined,
    interfaceName: settings.interfaceName,
    mark: linkMark(settings),
    publicKey: settings.publicKey,
    listenPort: settings.listenPort,
    mtu,
    addresses: own.addresses.map(prefixOfOne),
    peers: desiredPeers(map, believed, claimed.claims, candidates),
    routes: desiredRoutes(settings, claimed.claims, own.addresses, underlay),
    bridge,
    bridgeName: settings.bridgeName,
    segments,
    table: planTable(rules),
    bridgeTable: self === undefined ? undefined : planBridgeTable(rules),
    iptables: self === undefined || bridge === undefined ? undefined : iptablesWish(rules),
    published: publishedPorts(rules),
    isIpv6Usable: underlay.isIpv6Usable,
    attachments: attachments.map((spec) => withMeshRoutes(withoutFamily(spec, underlay), map.mesh)),
    ports: local.ports,
  };
  const portRefusals = self === undefined ? [] : refusedPublications(map, settings);
  const refusals = [...peerRefusals, ...own.refusals, ...claimed.refusals, ...segmentRefusals, ...portRefusals];
  return { desired, refusals };
}

export interface OwnPrefixes {
  readonly addresses: readonly Address[];
  readonly leases: readonly Cidr[];
  readonly refusals: readonly Refusal[];
}

/** Own addresses and leases that this host can hold: not without IPv6, not where its own LAN is. */
function ownPrefixes(self: HostRecord | undefined, underlay: Underlay): OwnPrefixes {
  const refusals: Refusal[] = [];
  const isFree = (prefix: Cidr, what: string): boolean => {
    const connected = underlay.connected.overlap(rangeOf(prefix));
    if (connected === undefined) return true;
    const why = `${what} of this host overlaps ${connected.address} on ${connected.link.name}; ask for another prefix`;
    refusals.push({ kind: 'prefix-refused', subject: prefix, why });
    return false;
  };
  const isUsable = (text: string): boolean => underlay.isIpv6Usable || !text.includes(':');
  const addresses = (self?.addresses ?? []).filter(isUsable).filter((a) => isFree(prefixOfOne(a), 'the address'));
  const leases = (self?.leases ?? []).filter(isUsable).filter((lease) => isFree(lease, 'the container subnet'));
  return { addresses, leases, refusals };
}

function believe(
  map: NetworkMap,
  settings: HostSettings,
  observed: Observed,
  underlay: Underlay,
  self: HostRecord | undefined,
  believed: readonly HostRecord[],
  candidates: ReadonlyMap<HostId, HostRecord['endpoints']>,
): ReturnType<typeof believeClaims> {
  if (self === undefined) return { claims: [], refusals: [] };
  const names = new Map(map.hosts.map((host) => [host.id, host.name]));
  const keys = new Map(map.hosts.map((host) => [host.id, host.publicKey]));
  const peers = observed.wireguard?.peers;
  const used = believed.flatMap((host) => {
    const peer = peers?.get(host.publicKey);
    if (peer?.endpoint === undefined || !isHandshakeFresh(peer, observed.observedAt)) return [];
    return [{ endpoint: peer.endpoint, name: host.name }];
  });
  return believeClaims(collectClaims(map, self, believed), {
    underlay,
    ownSubnets: new Set(self.subnets.map((subnet) => subnet.prefix)),
    serverAddress: settings.serverAddress,
    usedEndpoints: used,
    candidates: believed.map((host) => ({ name: host.name, endpoints: candidates.get(host.id) ?? [] })),
    isIncumbent: ({ owner, prefix }) => {
      const key = owner === undefined ? undefined : keys.get(owner);
      return key !== undefined && peers?.get(key)?.allowedIps.includes(prefix) === true;
    },
    describe: (owner) => (owner === undefined ? 'the mesh' : (names.get(owner) ?? owner)),
  });
}

function collectClaims(map: NetworkMap, self: HostRecord, believed: readonly HostRecord[]): Claim[] {
  const owner = owners(map.hosts);
  const claims: Claim[] = [];
  const pools = [
    ...map.mesh.overlayPools.map((prefix) => ({ prefix, kind: 'overlay pool' as const })),
    ...map.mesh.containerPools.map((prefix) => ({ prefix, kind: 'container pool' as const })),
  ];
  for (const { prefix, kind } of pools) {
    claims.push({ prefix, range: rangeOf(prefix), owner: undefined, kind, isOwn: false });
  }
  for (const host of [self, ...believed]) {
    const add = (prefix: Cidr, kind: Claim['kind']): void => {
      claims.push({ prefix, range: rangeOf(prefix), owner: host.id, kind, isOwn: host === self });
    };
    for (const address of host.addresses) add(prefixOfOne(address), 'address');
    for (const lease of host.leases) add(lease, 'lease');
    for (const { prefix } of host.subnets) if (owner.get(prefix) === host.id) add(prefix, 'subnet');
  }
  return claims;
}

/** A container that has a default route of its own reaches the mesh, and only that, through its gateway there. */
function withMeshRoutes(spec: AttachmentSpec, mesh: NetworkMap['mesh']): AttachmentSpec {
  const { meshGateways = [], routes = [] } = spec;
  if (meshGateways.length === 0) return spec;
  const pools = [...mesh.overlayPools, ...mesh.containerPools].flatMap((prefix) => {
    const gateway = meshGateways.find((one) => one.includes(':') === prefix.includes(':'));
    return gateway === undefined ? [] : [{ prefix, gateway }];
  });
  return { ...spec, routes: [...routes, ...pools] };
}

function desiredPeers(
  map: NetworkMap,
  believed: readonly HostRecord[],
  claims: readonly Claim[],
  candidates: ReadonlyMap<HostId, HostRecord['endpoints']>,
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
    peers.set(host.publicKey, {
      hostId: host.id,
      name: host.name,
      publicKey: host.publicKey,
      allowedIps: [...new Set(allowed.get(host.id))].sort(),
      keepaliveSeconds: map.mesh.keepaliveSeconds,
      candidates: (candidates.get(host.id) ?? []).filter(isOutside),
    });
  }
  return peers;
}

/** One route per overlay pool, and one for each claim outside of it; everything goes into the tunnel. */
function desiredRoutes(
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

function tunnelMtu(meshMtu: number, underlay: Underlay, candidates: Iterable<HostRecord['endpoints']>): number {
  let mtu = meshMtu;
  for (const [first] of candidates) {
    const below = first === undefined ? undefined : underlay.mtuTo(addressOf(first));
    if (below !== undefined) mtu = Math.min(mtu, below - tunnelOverheadBytes);
  }
  // IPv6 needs 1280 bytes (RFC 8200 section 5); below that WireGuard's packets are fragmented instead.
  return Math.max(mtu, 1280);
}

function planGateway(settings: HostSettings, leases: readonly Cidr[], mtu: number): DesiredBridge | undefined {
  if (leases.length === 0) return undefined;
  const addresses = leases.map((lease) => `${addressAt(lease, 1n)}${lease.slice(lease.lastIndexOf('/'))}`);
  return { name: settings.bridgeName, addresses, mtu };
}

function withoutFamily(spec: AttachmentSpec, underlay: Underlay): AttachmentSpec {
  if (underlay.isIpv6Usable) return spec;
  return {
    ...spec,
    addresses: spec.addresses.filter(({ address }) => !address.includes(':')),
    gateways: spec.gateways.filter((gateway) => !gateway.includes(':')),
    ...(spec.meshGateways === undefined
      ? {}
      : { meshGateways: spec.meshGateways.filter((gateway) => !gateway.includes(':')) }),
  };
}
