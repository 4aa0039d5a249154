/** What the rules go by, gathered from the map, the settings and what this host itself has. */
import type { HostRecord, NetworkMap } from '../../../shared/network-map.ts';
import { workloadsOf } from '../../../shared/own-workloads.ts';
import type { Address } from '../../../shared/net/address.ts';
import { type Cidr, containsAddress } from '../../../shared/net/cidr.ts';
import type { Publication, Workload } from '../../../shared/workload.ts';
import type { DesiredBridge, DesiredSegment, Refusal } from '../desired.ts';
import type { IptablesWish } from '../iptables.ts';
import type { LocalFacts, PortBinding } from '../local.ts';
import type { Observed, ObservedLink } from '../observed.ts';
import { indexRanges, pointOf, prefixOfOne, rangeOf } from '../ranges.ts';
import { type AttachmentSpec, type HostSettings, linkMark, vethName } from '../settings.ts';
import { type FirewallInput, bridgesOf, publishedMark } from './input.ts';

interface Wish {
  readonly map: NetworkMap;
  readonly settings: HostSettings;
  readonly attachments: readonly AttachmentSpec[];
  readonly local: LocalFacts;
  /** What lies behind hosts that are dead. */
  readonly dead: readonly Cidr[];
}

export function firewallInput(
  wish: Wish,
  self: HostRecord | undefined,
  own: { readonly addresses: readonly Address[] },
  bridge: DesiredBridge | undefined,
  bridged: readonly DesiredSegment[],
  mesh: readonly Cidr[],
  observed: Pick<Observed, 'links' | 'routes'>,
): FirewallInput {
  const { map, settings, attachments, local } = wish;
  const leases = self?.leases ?? [];
  const workloads = self === undefined ? [] : allWorkloads(map, self, local);
  return {
    settings,
    mesh,
    containers: containersOf(map, workloads, local),
    addresses: own.addresses,
    leases,
    served: [...leases, ...(self?.subnets.map((subnet) => subnet.prefix) ?? [])],
    gateways: (bridge?.addresses ?? []).map((text) => text.slice(0, text.indexOf('/')) as Address),
    workloads,
    publications:
      self === undefined ? [] : ownPublications(map, settings).filter((one) => !takesTunnels(one, settings)),
    bindings: [...attachments.flatMap(bindingOf), ...local.bindings],
    ports: portsOf(observed.links, [settings.bridgeName, ...separated(local)]),
    outside: outsideOf(observed, { settings, local }, bridged),
    bridged,
    dead: wish.dead,
    local,
  };
}

/** A host may have joined with a port that was published before; its tunnels come first. */
export function refusedPublications(map: NetworkMap, settings: HostSettings): Refusal[] {
  return ownPublications(map, settings)
    .filter((one) => takesTunnels(one, settings))
    .map(({ id, port }) => ({
      kind: 'publication-refused',
      subject: `${port}/udp`,
      why: `this host's tunnels end at this port; take it back with \`warren unpublish ${id}\`, or give the agent another listen port`,
    }));
}

const ownPublications = (map: NetworkMap, { selfId }: HostSettings): Publication[] =>
  map.mesh.publications.filter(({ hostId }) => hostId === null || hostId === selfId);

const takesTunnels = ({ protocol, port }: Publication, { listenPort }: HostSettings): boolean =>
  protocol === 'udp' && port === listenPort;

/** This host knows its own better than the map does. */
function allWorkloads(map: NetworkMap, self: HostRecord, local: LocalFacts): Workload[] {
  const others = map.hosts.filter((host) => host.id !== self.id);
  return [
    ...workloadsOf({ ...self, workloads: [...local.workloads] }),
    ...others.flatMap((host) => workloadsOf(host).map((one) => (host.isGone ? { ...one, isHealthy: false } : one))),
  ];
}

/** Those on the host's container subnet; a bridged segment is an Ethernet, on which its members choose. */
function bindingOf({ id, addresses, mac, segment, place, isLeaving }: AttachmentSpec): PortBinding[] {
  if (segment !== undefined || place !== undefined || isLeaving === true) return [];
  return [{ port: vethName(id), addresses: addresses.map(({ address }) => address), mac, isOurs: true }];
}

/** Needs no quoting; a machine's administrator may have given a link another. */
const isPlain = ({ name }: ObservedLink): boolean => /^[\w.-]+$/.test(name);

/** Bridges of an engine's networks with members of segments on them. A network without any is left as its owner has it. */
function separated({ engine, workloads }: LocalFacts): string[] {
  const members = workloads.filter(({ segment }) => segment !== null).flatMap(({ addresses }) => addresses);
  const has = (prefix: Cidr): boolean => members.some((address) => containsAddress(prefix, address));
  return engine.networks.filter(({ prefixes }) => prefixes.some(has)).map(({ bridgeName }) => bridgeName);
}

function portsOf(links: Observed['links'], bridges: readonly string[]): string[] {
  const isPort = ({ master }: ObservedLink): boolean => master !== undefined && bridges.includes(master);
  const ports = [...links.values()].filter((link) => isPort(link) && isPlain(link));
  return ports.map(({ name }) => name).sort();
}

/** A bridge is other containers' unless packets for anywhere leave by it; a veth without an address is a container's. */
function outsideOf(
  { links, routes }: Pick<Observed, 'links' | 'routes'>,
  here: Pick<FirewallInput, 'settings' | 'local'>,
  bridged: readonly DesiredSegment[],
): string[] {
  const own = new Set([
    here.settings.interfaceName,
    ...bridgesOf(here),
    ...bridged.map(({ bridgeName }) => bridgeName),
  ]);
  const mark = linkMark(here.settings);
  const leadOn = new Set(routes.flatMap(({ gateway, device }) => (gateway === undefined ? [] : (device ?? []))));
  const isOutside = (link: ObservedLink): boolean => {
    if (link.isLoopback || link.master !== undefined || link.alias === mark || own.has(link.name)) return false;
    if (leadOn.has(link.name)) return true;
    return link.kind === 'bridge' ? false : link.kind === 'veth' ? link.addresses.length > 0 : true;
  };
  return [...links.values()]
    .filter((link) => isPlain(link) && isOutside(link))
    .map(({ name }) => name)
    .sort();
}

/** The pools, and what has a container's address outside of them: engines' networks on the mesh. Hosts are none. */
function containersOf(map: NetworkMap, workloads: readonly Workload[], local: LocalFacts): Cidr[] {
  const hosts = new Set<Address>(map.hosts.flatMap(({ addresses }) => addresses));
  const { containerPools } = map.mesh;
  const pools = indexRanges(containerPools, rangeOf);
  const isOutside = (address: Address): boolean => !hosts.has(address) && pools.overlap(pointOf(address)) === undefined;
  return [
    ...containerPools,
    ...local.engine.networks.flatMap(({ prefixes }) => prefixes),
    ...workloads.flatMap(({ addresses }) => addresses.filter(isOutside).map(prefixOfOne)),
  ];
}

export function iptablesWish(input: FirewallInput): IptablesWish {
  const { settings, leases, local, bridged } = input;
  return {
    mark: linkMark(settings),
    tunnel: settings.interfaceName,
    bridges: bridgesOf(input),
    prefixes: [...leases, ...local.engine.networks.flatMap(({ prefixes }) => prefixes)],
    outside: input.outside,
    listenPort: settings.listenPort,
    segmentBridges: bridged.map(({ bridgeName }) => bridgeName),
    hasEngine: local.engine.firewall === 'iptables',
    publishedMark,
  };
}
