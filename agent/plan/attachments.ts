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

/** Nothing happens to a namespace that could not be entered: it is waited for. */
export function planAttachments(desired: Desired, observed: Observed): AttachmentSteps {
  const steps: AttachmentSteps = { sets: [], removes: [], refusals: [] };
  if (desired.bridge !== undefined) {
    for (const spec of desired.attachments) {
      const inside = observed.attachments.get(spec.id);
      if (inside !== undefined) planOne(desired, spec, observed.links.get(vethName(spec.id)), inside, steps);
    }
  }
  const ports = desired.bridge === undefined ? [] : desired.ports.flatMap((name) => observed.links.get(name) ?? []);
  for (const link of ports) if (link.kind === 'veth') steps.sets.push(...outerChange(desired, link));
  const wanted = new Set([...desired.attachments.map((spec) => vethName(spec.id)), ...desired.ports]);
  for (const link of observed.links.values()) {
    if (link.kind !== 'veth' || link.alias !== desired.mark || wanted.has(link.name)) continue;
    steps.removes.push({ kind: 'link-remove', interfaceName: link.name, why: 'nothing is attached by it any more' });
  }
  return steps;
}

function planOne(
  desired: Desired,
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
    steps.sets.push(...createSteps(desired, spec, outer));
    return;
  }
  steps.sets.push(...outerChange(desired, outer));
  const set = insideChange(spec, inner, inside, desired.bridge?.mtu ?? desired.mtu);
  if (set !== undefined) steps.sets.push(set);
}

/** What keeps the host's end on the bridge, also where somebody made the bridge anew. */
function outerChange(desired: Desired, outer: ObservedLink): Step[] {
  const mtu = desired.bridge?.mtu ?? desired.mtu;
  const change = linkChange({ name: outer.name, mark: desired.mark, mtu, master: desired.bridgeName }, outer);
  return change === undefined ? [] : [change];
}

function createSteps(desired: Desired, spec: AttachmentSpec, outer: ObservedLink | undefined): Step[] {
  const create: Step = {
    kind: 'attachment-create',
    spec,
    mark: desired.mark,
    bridgeName: desired.bridgeName,
    mtu: desired.bridge?.mtu ?? desired.mtu,
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
