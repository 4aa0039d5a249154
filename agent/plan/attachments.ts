/** Attached namespaces: a veth pair between bridge and namespace. One that is right is never touched. */
import { linkChange } from './bridge.ts';
import type { Desired, Refusal } from './desired.ts';
import type { Observed, ObservedLink, ObservedNamespace } from './observed.ts';
import { planCard, planReturned } from './attachment-cards.ts';
import { planFiltering, planPortVlan, planVlanLinks } from './attachment-vlans.ts';
import { insideChange } from './attachment-inside.ts';
import { type AttachmentPlace, type AttachmentSpec, vethName } from './settings.ts';
import type { Step } from './step.ts';

export { addressInside } from './attachment-inside.ts';

export interface AttachmentSteps {
  readonly sets: Step[];
  readonly removes: Step[];
  readonly refusals: Refusal[];
}

/** The bridge that the host's end is in. */
interface Place {
  readonly bridgeName: string;
  readonly mtu: number;
  readonly vlan?: number;
}

/** Nothing happens to a namespace that could not be entered: it is waited for. */
export function planAttachments(desired: Desired, observed: Observed, isBridgeUsable: boolean): AttachmentSteps {
  const steps: AttachmentSteps = { sets: [], removes: [], refusals: [] };
  const lease = isBridgeUsable ? leasePlace(desired) : undefined;
  const wanted = new Set(desired.ports);
  for (const spec of desired.attachments) {
    const inside = observed.attachments.get(spec.id);
    if (spec.place !== undefined && spec.place.kind !== 'bridge') {
      if (inside !== undefined) planCard(desired, spec, observed, inside, steps);
      continue;
    }
    if (spec.isLeaving === true) continue;
    const place = placeOf(desired, spec, observed, lease, steps);
    const name = vethName(spec.id);
    if (place !== undefined || (spec.segment === undefined && spec.place === undefined)) wanted.add(name);
    if (place !== undefined && inside !== undefined) planOne(desired, place, spec, observed, inside, steps);
  }
  planReturned(desired, observed, steps);
  planVlanLinks(desired, observed, steps);
  if (lease !== undefined) {
    for (const name of desired.ports) {
      const link = observed.links.get(name);
      if (link?.kind === 'veth') steps.sets.push(...outerChange(desired, lease, link));
    }
  }
  for (const link of observed.links.values()) {
    if (link.kind !== 'veth' || link.alias !== desired.mark || wanted.has(link.name)) continue;
    steps.removes.push({ kind: 'link-remove', interfaceName: link.name, why: 'nothing is attached by it any more' });
  }
  return steps;
}

function placeOf(
  desired: Desired,
  spec: AttachmentSpec,
  observed: Observed,
  lease: Place | undefined,
  steps: AttachmentSteps,
): Place | undefined {
  if (spec.place?.kind === 'bridge') return otherBridge(desired, spec, spec.place, observed, steps);
  return spec.segment === undefined ? lease : segmentPlace(desired, spec, steps);
}

/** Somebody's bridge as it is, or one that is made here because it is called `br…`. */
function otherBridge(
  { mark }: Desired,
  { netnsPath }: AttachmentSpec,
  { bridge: bridgeName, vlan: wanted }: Extract<AttachmentPlace, { kind: 'bridge' }>,
  observed: Observed,
  { sets, refusals }: AttachmentSteps,
): Place | undefined {
  const refuse = (why: string): undefined =>
    void refusals.push({ kind: 'attachment-refused', subject: netnsPath, why });
  const link = observed.links.get(bridgeName);
  if (link?.kind === 'openvswitch')
    return refuse(`${bridgeName} is a bridge of Open vSwitch, which Warren does not configure; choose a Linux bridge`);
  if (link !== undefined && link.kind !== 'bridge')
    return refuse(`${bridgeName} is not a bridge; choose another --bridge`);
  const vlan = typeof wanted === 'number' ? { vlan: wanted } : {};
  if (link !== undefined) {
    const why = vlan.vlan === undefined ? undefined : planFiltering(bridgeName, link, mark, sets);
    return why === undefined ? { bridgeName, mtu: link.mtu, ...vlan } : refuse(why);
  }
  if (!bridgeName.startsWith('br')) {
    return refuse(`this host has no bridge ${bridgeName}; make it first, or choose a name that begins with 'br'`);
  }
  const isPlanned = sets.some((step) => step.kind === 'bridge-create' && step.interfaceName === bridgeName);
  const why = 'something is attached to it';
  if (!isPlanned) sets.push({ kind: 'bridge-create', interfaceName: bridgeName, mark, mtu: ethernetMtu, why });
  if (vlan.vlan !== undefined) planFiltering(bridgeName, undefined, mark, sets);
  return { bridgeName, mtu: ethernetMtu, ...vlan };
}

const ethernetMtu = 1500;

const leasePlace = ({ bridge, bridgeName }: Desired): Place | undefined =>
  bridge === undefined ? undefined : { bridgeName, mtu: bridge.mtu };

function segmentPlace({ segments }: Desired, spec: AttachmentSpec, { refusals }: AttachmentSteps): Place | undefined {
  const found = segments.find(({ name }) => name === spec.segment);
  if (found === undefined) {
    const why = `the bridged segment '${spec.segment}' cannot be had on this host; see 'warren segment ls', then attach again`;
    refusals.push({ kind: 'attachment-refused', subject: spec.netnsPath, why });
  }
  return found;
}

function planOne(
  desired: Desired,
  place: Place,
  spec: AttachmentSpec,
  observed: Observed,
  inside: ObservedNamespace,
  steps: AttachmentSteps,
): void {
  const outer = observed.links.get(vethName(spec.id));
  const inner = inside.links.get(spec.interfaceName);
  const isPair = outer !== undefined && inner !== undefined && inner.peerIndex === outer.index;
  // In another bridge it would be in that one's own VLAN for a moment.
  const isElsewhere = isPair && place.vlan !== undefined && outer.master !== place.bridgeName;
  if (!isPair || isElsewhere) {
    if (inner !== undefined && !isElsewhere) {
      const why = `${spec.netnsPath} has an interface ${spec.interfaceName} already; attach under another name`;
      steps.refusals.push({ kind: 'attachment-refused', subject: spec.netnsPath, why });
      return;
    }
    steps.sets.push(...createSteps(desired, place, spec, outer));
    return;
  }
  steps.sets.push(...outerChange(desired, place, outer), ...planPortVlan(outer.name, place.vlan, observed));
  const set = insideChange(spec, inner, inside, place.mtu);
  if (set !== undefined) steps.sets.push(set);
}

/** What keeps the host's end on the bridge, also where somebody made the bridge anew. */
function outerChange({ mark }: Desired, { bridgeName, mtu }: Place, outer: ObservedLink): Step[] {
  const change = linkChange({ name: outer.name, mark, mtu, master: bridgeName }, outer);
  return change === undefined ? [] : [change];
}

function createSteps({ mark }: Desired, place: Place, spec: AttachmentSpec, outer: ObservedLink | undefined): Step[] {
  const create: Step = {
    kind: 'attachment-create',
    spec,
    mark,
    bridgeName: place.bridgeName,
    mtu: place.mtu,
    ...(place.vlan === undefined ? {} : { vlan: place.vlan }),
    why: 'the namespace is not attached',
  };
  if (outer === undefined) return [create];
  const why = 'its other end is not in the namespace, or it is not in its bridge, any more';
  return [{ kind: 'link-remove', interfaceName: outer.name, why }, create];
}
