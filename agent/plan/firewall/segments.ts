/**
 * Segments: containers of one reach only containers of the same one, on every host that a packet passes. One lookup of
 * the source and one of the destination decide, however many segments there are. Hosts and what is outside of the mesh
 * stay within reach, both ways. The same text stands in a table of family bridge, for what passes between two ports of
 * one bridge and never sees the IP layer's rules.
 */
import type { Address } from '../../../shared/net/address.ts';
import { type Cidr, addressAt } from '../../../shared/net/cidr.ts';
import type { SegmentName, Workload } from '../../../shared/workload.ts';
import { type TablePart, baseChain, chain, verdictMap } from '../nft-table.ts';
import { addressSets, isV4, links, prefixSets } from './sets.ts';

export interface SegmentRules {
  /** Whom a member of a segment may only meet if it is a member too. */
  readonly containers: readonly Cidr[];
  readonly workloads: readonly Workload[];
}

/** Empty where nothing is in a segment. `before`: the base chain's first rules. */
export function segmentChains(
  { containers, workloads }: SegmentRules,
  priority: number,
  before: readonly string[] = [],
): TablePart[] {
  const members = membersOf(workloads);
  if (members.size === 0) return [];
  return [
    ...prefixSets('containers', containers),
    ...[...members].flatMap(([segment, addresses]) => [
      ...addressSets(`members_${idOf(segment)}_`, addresses),
      ...chainsOf(segment),
    ]),
    ...verdictMaps(members),
    baseChain('segments', { type: 'filter', hook: 'forward', priority }, [
      ...before,
      ...(['4', '6'] as const).flatMap((v) => [
        `${ip(v)} saddr vmap @segment_source${v}`,
        `${ip(v)} daddr vmap @segment_target${v}`,
      ]),
    ]),
  ];
}

/**
 * Between two ports of one bridge containers could meet by what no lookup of their addresses sees: link-local addresses,
 * broadcast and multicast, a source made up, a frame in VLAN 0 twice, which Linux takes off. So nothing passes there but
 * ARP, neighbour discovery, and packets from a container's address to a container's.
 */
export function portRules(ports: readonly string[], prefixes: readonly Cidr[]): string[] {
  if (ports.length === 0) return [];
  // By its ports, for not every kernel knows the bridge's own name here.
  const between = `iifname ${links(ports)}`;
  const broadcast = prefixes.filter(isV4).map(lastOf);
  return [
    `${between} meta protocol != { ip, ip6, arp } counter drop`,
    `${between} ip6 hoplimit 255 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept`,
    `${between} meta protocol { ip, ip6 } meta pkttype { broadcast, multicast } counter drop`,
    ...(broadcast.length === 0 ? [] : [`${between} ip daddr { ${broadcast.join(', ')} } counter drop`]),
    ...(['4', '6'] as const).flatMap((v) =>
      ['saddr', 'daddr'].map((side) => `${between} ${ip(v)} ${side} != @containers${v} counter drop`),
    ),
  ];
}

function membersOf(workloads: readonly Workload[]): ReadonlyMap<SegmentName, ReadonlySet<Address>> {
  const members = new Map<SegmentName, Set<Address>>();
  const seen = new Set<Address>();
  for (const { segment, addresses } of workloads) {
    if (segment === null) continue;
    for (const address of addresses) {
      // One address is in one segment; a second word about it does not count.
      if (seen.has(address)) continue;
      seen.add(address);
      members.set(segment, (members.get(segment) ?? new Set()).add(address));
    }
  }
  return new Map([...members].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function chainsOf(segment: SegmentName): TablePart[] {
  const id = idOf(segment);
  const check = (side: 'saddr' | 'daddr'): string[] =>
    (['4', '6'] as const).map(
      (v) => `${ip(v)} ${side} @containers${v} ${ip(v)} ${side} != @members_${id}_${v} counter drop`,
    );
  return [chain(`from_${id}`, check('daddr')), chain(`to_${id}`, check('saddr'))];
}

function verdictMaps(members: ReadonlyMap<SegmentName, ReadonlySet<Address>>): TablePart[] {
  const maps: TablePart[] = [];
  for (const v of ['4', '6'] as const) {
    for (const [name, chain] of [
      ['source', 'from'],
      ['target', 'to'],
    ] as const) {
      const elements = [...members].flatMap(([segment, addresses]) =>
        [...addresses]
          .filter((address) => isV4(address) === (v === '4'))
          .sort()
          .map((address) => `${address} : jump ${chain}_${idOf(segment)}`),
      );
      maps.push(verdictMap(`segment_${name}${v}`, `ipv${v}_addr`, elements));
    }
  }
  return maps;
}

const lastOf = (lease: Cidr): Address =>
  addressAt(lease, (1n << BigInt(32 - Number(lease.slice(lease.indexOf('/') + 1)))) - 1n);

const ip = (v: '4' | '6'): string => (v === '4' ? 'ip' : 'ip6');

/** An nft identifier; a segment's name has no `_`, so no two become one. */
const idOf = (segment: SegmentName): string => segment.replaceAll('-', '_');
