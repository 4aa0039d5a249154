/** Attached namespaces: a veth pair between bridge and namespace. One that is right is never touched. */
import { linkChange } from './bridge.ts';
import type { Desired, Refusal } from './desired.ts';
import type { Observed, ObservedLink, ObservedNamespace } from './observed.ts';
import { type AttachmentAddress, type AttachmentSpec, vethName } from './settings.ts';
import type { AttachmentSet, Step } from './step.ts';

export interface AttachmentSteps {
  readonly sets: Step[];
  readonly removes: Step[];
  readonly refusals: Refusal[];
}

/** The bridge that the host's end is in. */
interface Place {
  readonly bridgeName: string;
  readonly mtu: number;
}

/** Nothing happens to a namespace that could not be entered: it is waited for. */
export function planAttachments(desired: Desired, observed: Observed, isBridgeUsable: boolean): AttachmentSteps {
  const steps: AttachmentSteps = { sets: [], removes: [], refusals: [] };
  const lease = isBridgeUsable ? leasePlace(desired) : undefined;
  const wanted = new Set(desired.ports);
  for (const spec of desired.attachments) {
    const place = spec.segment === undefined ? lease : segmentPlace(desired, spec, steps);
    const inside = observed.attachments.get(spec.id);
    const name = vethName(spec.id);
    if (place !== undefined || spec.segment === undefined) wanted.add(name);
    if (place !== undefined && inside !== undefined)
      planOne(desired, place, spec, observed.links.get(name), inside, steps);
  }
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
  outer: ObservedLink | undefined,
  inside: ObservedNamespace,
  steps: AttachmentSteps,
): void {
  const inner = inside.links.get(spec.interfaceName);
  const isPair = outer !== undefined && inner !== undefined && inner.peerIndex === outer.index;
  if (!isPair) {
    if (inner !== undefined) {
      const why = `${spec.netnsPath} has an interface ${spec.interfaceName} already; attach under another name`;
      steps.refusals.push({ kind: 'attachment-refused', subject: spec.netnsPath, why });
      return;
    }
    steps.sets.push(...createSteps(desired, place, spec, outer));
    return;
  }
  steps.sets.push(...outerChange(desired, place, outer));
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
    why: 'the namespace is not attached',
  };
  if (outer === undefined) return [create];
  const why = 'its other end is not in the namespace any more';
  return [{ kind: 'link-remove', interfaceName: outer.name, why }, create];
}

function insideChange(
  spec: AttachmentSpec,
  inner: ObservedLink,
  inside: ObservedNamespace,
  mtu: number,
): Step | undefined {
  const wanted = spec.addresses.map(addressInside);
  const addAddresses = wanted.filter((address) => !inner.addresses.includes(address));
  const removeAddresses = inner.addresses.filter((address) => !wanted.includes(address));
  const gateways = spec.gateways.filter(
    (gateway) => !inside.gateways.some((route) => route.gateway === gateway && route.device === inner.name),
  );
  const why = [
    ...(inner.mtu === mtu ? [] : [`MTU is ${inner.mtu}`]),
    ...(inner.isUp ? [] : ['the link is down']),
    ...addAddresses.map((address) => `${address} is missing`),
    ...removeAddresses.map((address) => `${address} is not its address`),
    ...gateways.map((gateway) => `no default route through ${gateway}`),
  ];
  if (why.length === 0) return undefined;
  const set: AttachmentSet = {
    kind: 'attachment-set',
    spec,
    ...(inner.mtu === mtu ? {} : { mtu }),
    ...(inner.isUp ? {} : { isUp: true }),
    addAddresses,
    removeAddresses,
    gateways,
  };
  return { ...set, why: why.join(', ') };
}

/** The address with its lease's length, so that neighbours on the lease are on the link. */
export function addressInside({ address, lease }: AttachmentAddress): string {
  return `${address}${lease.slice(lease.lastIndexOf('/'))}`;
}
