/** Bridge, VXLAN device and forwarding entries of each bridged segment: from what is there to what should be. */
import { linkChange } from './bridge.ts';
import { vxlanPort } from './bridged.ts';
import type { Desired, DesiredSegment, Refusal } from './desired.ts';
import type { Observed, ObservedFdbEntry, ObservedLink } from './observed.ts';
import type { Step } from './step.ts';

export interface SegmentSteps {
  readonly sets: Step[];
  readonly removes: Step[];
  readonly refusals: Refusal[];
}

/** What is flooded goes to the entries of this address, one for each host with members. */
export const floodMac = '00:00:00:00:00:00';

export function planSegments(desired: Desired, observed: Observed): SegmentSteps {
  const steps: SegmentSteps = { sets: [], removes: [], refusals: [] };
  for (const segment of desired.segments) {
    const why = whyNotOurs(desired, segment, observed);
    if (why !== undefined) steps.refusals.push({ kind: 'segment-refused', subject: segment.name, why });
    else planOne(desired, segment, observed, steps);
  }
  const wanted = new Set([
    ...desired.segments.flatMap(({ bridgeName, vxlanName }) => [bridgeName, vxlanName]),
    ...desired.attachments.flatMap(({ place, isLeaving }) =>
      place?.kind === 'bridge' && isLeaving !== true ? [place.bridge] : [],
    ),
  ]);
  for (const link of observed.links.values()) {
    if (link.alias !== desired.mark || wanted.has(link.name)) continue;
    if (link.kind !== 'vxlan' && (link.kind !== 'bridge' || link.name === desired.bridgeName)) continue;
    if (link.kind === 'bridge' && hasForeignPort(desired, link, observed)) continue;
    const why = 'nothing on this host is in it any more';
    steps.removes.push({ kind: 'link-remove', interfaceName: link.name, why });
  }
  return steps;
}

function planOne(desired: Desired, segment: DesiredSegment, observed: Observed, { sets, removes }: SegmentSteps): void {
  const { mark } = desired;
  const { bridgeName, vxlanName, mtu } = segment;
  const bridge = observed.links.get(bridgeName);
  if (bridge === undefined) {
    sets.push({ kind: 'segment-bridge-create', interfaceName: bridgeName, mark, mtu, why: 'the bridge is missing' });
  } else {
    // The engine's own bridge stays the engine's: it is not marked, and so not removed.
    const isBorrowed = bridge.alias === undefined && bridge.addresses.length > 0;
    const change = linkChange({ name: bridgeName, mark, mtu }, isBorrowed ? { ...bridge, alias: mark } : bridge);
    if (change !== undefined) sets.push(change);
  }
  const found = observed.links.get(vxlanName);
  const isOther = found !== undefined && !isSameTunnel(desired, segment, found);
  if (isOther) sets.push({ kind: 'link-remove', interfaceName: vxlanName, why: 'it is made for another tunnel' });
  const vxlan = isOther ? undefined : found;
  if (vxlan === undefined) {
    const { vni, local } = segment;
    const device = desired.interfaceName;
    const create = {
      kind: 'vxlan-create',
      interfaceName: vxlanName,
      mark,
      mtu,
      vni,
      local,
      device,
      bridgeName,
    } as const;
    sets.push({ ...create, why: 'the VXLAN device is missing' });
  } else {
    const change = linkChange({ name: vxlanName, mark, mtu, master: bridgeName }, vxlan);
    if (change !== undefined) sets.push(change);
  }
  planEntries(segment, vxlan === undefined ? [] : (observed.fdb.get(vxlanName) ?? []), sets, removes);
}

/** Also what was learned of a host that has no member any more is forgotten, so that nothing is sent there. */
function planEntries(
  { vxlanName, remotes }: DesiredSegment,
  entries: readonly ObservedFdbEntry[],
  sets: Step[],
  removes: Step[],
): void {
  const flooded = new Set(entries.filter(({ mac }) => mac === floodMac).map(({ address }) => address));
  for (const address of remotes) {
    if (flooded.has(address)) continue;
    const why = 'the host has members of the segment';
    sets.push({ kind: 'fdb-append', interfaceName: vxlanName, mac: floodMac, address, why });
  }
  const members = new Set(remotes);
  for (const { mac, address } of entries) {
    if (members.has(address)) continue;
    const why = 'no host there has members of the segment';
    removes.push({ kind: 'fdb-remove', interfaceName: vxlanName, mac, address, why });
  }
}

function isSameTunnel({ interfaceName }: Desired, { vni, local }: DesiredSegment, { vxlan }: ObservedLink): boolean {
  return (
    vxlan !== undefined &&
    vxlan.vni === vni &&
    vxlan.local === local &&
    vxlan.port === vxlanPort &&
    vxlan.device === interfaceName
  );
}

/** One without a mark is what is left of a pass that died, or a bridge that the engine made under the segment's name. */
function whyNotOurs({ mark }: Desired, segment: DesiredSegment, observed: Observed): string | undefined {
  for (const [name, kind] of [
    [segment.bridgeName, 'bridge'],
    [segment.vxlanName, 'vxlan'],
  ] as const) {
    const link = observed.links.get(name);
    if (link === undefined || (link.kind === kind && (link.alias ?? mark) === mark)) continue;
    return `${name} is a link that Warren did not make; rename or remove it`;
  }
  return undefined;
}

/** A bridge that others of this host still use is left to them, without a way to other hosts. */
function hasForeignPort({ mark }: Desired, bridge: ObservedLink, observed: Observed): boolean {
  return [...observed.links.values()].some((link) => link.master === bridge.name && link.alias !== mark);
}
