/**
 * Bridged segments of this host as they should be: a bridge for the containers, and a VXLAN device in it whose frames go
 * through the tunnel to the hosts that have members, and to no others. A segment of which this host has no member does
 * not exist here.
 */
import { workloadsOf } from '../../shared/own-workloads.ts';
import type { HostRecord, NetworkMap } from '../../shared/network-map.ts';
import type { Address, Family } from '../../shared/net/address.ts';
import type { Segment, SegmentName, Workload } from '../../shared/workload.ts';
import type { Claim } from './desire/claims.ts';
import type { DesiredSegment, Refusal } from './desired.ts';
import { digestOf } from './digest.ts';
import { prefixOfOne } from './ranges.ts';
import type { HostSettings } from './settings.ts';

export interface BridgedWish {
  readonly map: NetworkMap;
  readonly settings: HostSettings;
  readonly self: HostRecord | undefined;
  /** What runs here, newer than what the map says of this host. */
  readonly workloads: readonly Workload[];
  /** Peers that are believed, and what is believed to be theirs. */
  readonly peers: readonly HostRecord[];
  readonly claims: readonly Claim[];
  /** Overlay addresses this host can hold. */
  readonly addresses: readonly Address[];
  readonly mtu: number;
}

export interface BridgedDesire {
  readonly segments: readonly DesiredSegment[];
  readonly refusals: readonly Refusal[];
}

/** RFC 7348 section 8.1 */
export const vxlanPort = 4789;

/** Outer IP, UDP and VXLAN headers, and the inner Ethernet header (RFC 7348 section 5). */
const overheadBytes: Readonly<Record<Family, number>> = { 4: 50, 6: 70 };

export function desireSegments(wish: BridgedWish): BridgedDesire {
  const segments: DesiredSegment[] = [];
  const refusals: Refusal[] = [];
  const { self } = wish;
  if (self === undefined) return { segments, refusals };
  const here = new Set(wish.workloads.flatMap(({ segment }) => segment ?? []));
  const byVni = new Map<number, SegmentName>();
  for (const { name, kind, vni } of wish.map.mesh.segments) {
    if (kind !== 'bridged' || vni === null || !here.has(name)) continue;
    const other = byVni.get(vni);
    const made = other === undefined ? desireOne(wish, self, name, vni) : `it has the VNI of the segment ${other}`;
    if (typeof made === 'string') refusals.push({ kind: 'segment-refused', subject: name, why: made });
    else segments.push(made);
    byVni.set(vni, other ?? name);
  }
  return { segments, refusals };
}

/**
 * IPv4 where all members have it, so that every host comes to the same choice. A host that the server finds gone stays a
 * member: a wrong verdict must not cut a path that works.
 */
function desireOne(wish: BridgedWish, self: HostRecord, name: SegmentName, vni: number): DesiredSegment | string {
  const members = wish.peers.filter((host) => workloadsOf(host).some(({ segment }) => segment === name));
  const family: Family = [self, ...members].every((host) => addressOfFamily(host.addresses, 4) !== undefined) ? 4 : 6;
  const local = addressOfFamily(wish.addresses, family);
  if (local === undefined) return `this host has no usable IPv${family} overlay address, which its members need`;
  const believed = new Set(
    wish.claims.flatMap((claim) => (claim.kind === 'address' ? `${claim.owner} ${claim.prefix}` : [])),
  );
  const remotes = members.flatMap((host) => {
    const address = addressOfFamily(host.addresses, family);
    return address !== undefined && believed.has(`${host.id} ${prefixOfOne(address)}`) ? [address] : [];
  });
  return {
    name,
    vni,
    ...segmentLinks(wish.settings, vni),
    mtu: wish.mtu - overheadBytes[family],
    local,
    remotes: remotes.sort(),
  };
}

/** 15 characters at most; another instance on the machine has others. */
export function segmentLinks(
  { tableName }: Pick<HostSettings, 'tableName'>,
  vni: number,
): { readonly bridgeName: string; readonly vxlanName: string } {
  const instance = tableName === 'warren' ? '' : digestOf(tableName).slice(0, 4);
  return { bridgeName: `wb${instance}-${vni}`, vxlanName: `wx${instance}-${vni}` };
}

/** The bridged segment of this name, undefined where there is none. */
export const bridgedSegment = (segments: readonly Segment[], name: string): Segment | undefined =>
  segments.find((one) => one.name === name && one.kind === 'bridged' && one.vni !== null);

const addressOfFamily = (addresses: readonly Address[], family: Family): Address | undefined =>
  addresses.find((address) => address.includes(':') === (family === 6));
