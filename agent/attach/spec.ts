/** From what an attachment was asked to be to what the kernel is to have. Pure. */
import { createHash } from 'node:crypto';
import { type WishedAddress, readAddressWish, readRouteWish } from '../../shared/attachment.ts';
import type { Address } from '../../shared/net/address.ts';
import { type Cidr, containsAddress } from '../../shared/net/cidr.ts';
import type { AttachmentAddress, AttachmentSpec } from '../plan/settings.ts';
import type { Attachment, Ground } from './attachments.ts';
import { localMac } from './mac.ts';
import { gatewayOf, isSlotWithin, slotAddress } from './ipam.ts';
import type { AttachRequest } from './request.ts';
import { slotOf } from './slots.ts';

/** True where the agent is to choose an address of the lease. */
export function needsSlot(
  { place, segment, ip, dhcp }: AttachRequest,
  { isBridged }: Pick<Ground, 'isBridged'>,
): boolean {
  return place.kind === 'mesh' && ip.length === 0 && dhcp === null && !(segment !== null && isBridged(segment));
}

/** Slots of addresses of the lease that were named. */
export function wishedSlots({ place, ip }: AttachRequest, leases: readonly Cidr[]): number[] {
  if (place.kind !== 'mesh') return [];
  const slots = ip.flatMap((text) => {
    const wish = readAddressWish(text);
    return wish === undefined ? [] : (slotOf(leases, wish.address) ?? []);
  });
  return [...new Set(slots)];
}

export const slotsOf = ({ slot, request }: Attachment, leases: readonly Cidr[]): number[] =>
  slot === undefined ? wishedSlots(request, leases) : [slot];

/** Short, and the same whenever the interface is made anew. */
export function attachmentId(one: Pick<Attachment, 'linkKey'>, seed: string): string {
  return BigInt(`0x${digestOf(one, seed).subarray(0, 7).toString('hex')}`)
    .toString(36)
    .slice(0, 11);
}

/** What is to be in namespaces that are there. A target has one default route of each family; who names it goes first. */
export function specsOf(all: readonly Attachment[], ground: Ground, seed: string): AttachmentSpec[] {
  const byTarget = new Map<string, AttachmentSpec[]>();
  const present = all.flatMap((one) => {
    const spec = specOf(one, ground, seed);
    if (spec === undefined) return [];
    const others = byTarget.get(spec.netnsPath) ?? [];
    byTarget.set(spec.netnsPath, [...others, spec]);
    return [{ one, spec }];
  });
  return present.map(({ spec }) => {
    const siblings = (byTarget.get(spec.netnsPath) ?? []).filter(({ isLeaving }) => isLeaving !== true);
    return siblings.length < 2 ? spec : { ...spec, gateways: spec.gateways.filter((g) => isFirst(spec, g, siblings)) };
  });
}

function isFirst(spec: AttachmentSpec, gateway: Address, siblings: readonly AttachmentSpec[]): boolean {
  const isSameFamily = (other: Address): boolean => other.includes(':') === gateway.includes(':');
  const having = siblings.filter((one) => one.gateways.some(isSameFamily));
  const naming = having.filter((one) => one.isGatewayNamed === true);
  return (naming[0] ?? having[0]) === spec;
}

function specOf(one: Attachment, ground: Ground, seed: string): AttachmentSpec | undefined {
  if (one.place === undefined) return undefined;
  const { request } = one;
  const id = attachmentId(one, seed);
  const found = addressesFor(one, ground);
  // The lease is too small for all, or there is none: it waits.
  if (found === undefined && !one.isLeaving) return undefined;
  const { addresses = [], gateways = [], meshGateways = [], spareGateways = [], isGatewayNamed = false } = found ?? {};
  // Their gateways are out of reach before there is a lease.
  const routes = request.dhcp !== null && addresses.length === 0 ? [] : request.routes;
  const isBridged = request.segment !== null && ground.isBridged(request.segment);
  return {
    id,
    netnsPath: one.place.netnsPath,
    interfaceName: request.interface,
    addresses,
    gateways,
    ...(isGatewayNamed ? { isGatewayNamed } : {}),
    ...(meshGateways.length === 0 ? {} : { meshGateways }),
    ...(one.isLeaving ? { isLeaving: true } : {}),
    ...(request.place.kind === 'mesh' ? {} : { place: request.place }),
    ...(spareGateways.length === 0 ? {} : { spareGateways }),
    ...(routes.length === 0 ? {} : { routes: routes.map(readRouteWish) }),
    ...(isBridged && request.segment !== null ? { segment: request.segment } : {}),
    // Made of the target, so that a neighbour's ARP entry stays right when the interface is made anew.
    mac: request.mac ?? localMac(digestOf(one, seed).subarray(8)),
  };
}

interface Found {
  readonly addresses: readonly AttachmentAddress[];
  readonly gateways: readonly Address[];
  readonly isGatewayNamed?: boolean;
  readonly meshGateways?: readonly Address[];
  readonly spareGateways?: readonly Address[];
}

function addressesFor(one: Attachment, ground: Ground): Found | undefined {
  const { request, slot } = one;
  const { leases } = ground;
  if (request.dhcp !== null) return leased(ground.dhcpLease(one));
  if (!needsSlot(request, ground)) {
    const wishes = request.ip.flatMap((text) => readAddressWish(text) ?? []);
    return given(wishes, request.place.kind === 'mesh' ? leases : []);
  }
  if (slot === undefined || !isSlotWithin(leases, slot)) return undefined;
  const addresses = leases.map((lease) => ({ address: slotAddress(lease, slot), lease }));
  // A container of the engine has its own way out most of the time, and keeps it.
  const ways = leases.map(gatewayOf);
  return one.target.kind === 'docker' ? { addresses, gateways: [], meshGateways: ways } : { addresses, gateways: ways };
}

/** Who gives out addresses there says nothing of the container's other ways out: those go first. */
function leased(lease: WishedAddress | undefined): Found {
  if (lease === undefined) return { addresses: [], gateways: [] };
  const { address, network, gateway } = lease;
  return {
    addresses: [{ address, lease: network }],
    gateways: [],
    spareGateways: gateway === undefined ? [] : [gateway],
  };
}

function given(wishes: readonly WishedAddress[], leases: readonly Cidr[]): Found {
  const gateways = wishes.flatMap(({ address, gateway }) => {
    const lease = leases.find((candidate) => containsAddress(candidate, address));
    return gateway ?? (lease === undefined ? [] : gatewayOf(lease));
  });
  return {
    addresses: wishes.map(({ address, network }) => ({ address, lease: network })),
    gateways: gateways.filter((one, i) => gateways.findIndex((other) => isOneFamily(one, other)) === i),
    isGatewayNamed: wishes.some(({ gateway }) => gateway !== undefined),
  };
}

const isOneFamily = (a: Address, b: Address): boolean => a.includes(':') === b.includes(':');

/** The addresses it has or will have. */
export function attachedAddresses(one: Attachment, ground: Ground): Address[] {
  const found = addressesFor(one, ground)?.addresses ?? [];
  return found.map(({ address }) => address);
}

/** Those that are the lease's; others on this host must not give them to anybody. */
export function leaseAddresses(one: Attachment, { leases }: Ground): Address[] {
  return slotsOf(one, leases).flatMap((slot) =>
    isSlotWithin(leases, slot)
      ? leases
          .map((lease) => slotAddress(lease, slot))
          .filter((address) => one.slot !== undefined || hasWish(one.request, address))
      : [],
  );
}

const hasWish = ({ ip }: AttachRequest, address: Address): boolean =>
  ip.some((text) => readAddressWish(text)?.address === address);

function digestOf({ linkKey }: Pick<Attachment, 'linkKey'>, seed: string): Buffer {
  return createHash('sha256').update(`${seed}\0${linkKey}`).digest();
}
