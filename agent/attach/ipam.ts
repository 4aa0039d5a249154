/**
 * Which place in the host's lease a container gets. One number, the slot, gives the address in each family, so the same
 * container keeps its place when the lease changes. Next-fit: a freed slot is the last to be used again. Pure.
 */
import { WarrenError } from '../../shared/errors.ts';
import type { Address } from '../../shared/net/address.ts';
import { type Cidr, addressAt, cidrRange } from '../../shared/net/cidr.ts';

/** 0 is the network address, 1 the gateway. */
const firstSlot = 2;
/** Enough for any host, and a slot stays a small number in an IPv6 lease. */
const mostSlots = 65_536;

/** The first free slot at or after `next`, wrapping once. Throws `no-lease` or `addresses-exhausted`. */
export function chooseSlot(leases: readonly Cidr[], used: ReadonlySet<number>, next: number): number {
  const end = slotEnd(leases);
  const count = end - firstSlot;
  const start = next >= firstSlot && next < end ? next : firstSlot;
  for (let i = 0; i < count; i += 1) {
    const slot = firstSlot + ((start - firstSlot + i) % count);
    if (!used.has(slot)) return slot;
  }
  throw new WarrenError(
    'addresses-exhausted',
    `all ${Math.max(count, 0)} addresses of ${leases.join(' and ')} are in use; detach something first`,
  );
}

/** True when the slot has an address in every lease. */
export function isSlotWithin(leases: readonly Cidr[], slot: number): boolean {
  return leases.length > 0 && slot >= firstSlot && slot < slotEnd(leases);
}

export const slotAddress = (lease: Cidr, slot: number): Address => addressAt(lease, BigInt(slot));

export const gatewayOf = (lease: Cidr): Address => addressAt(lease, 1n);

/** One past the last slot that fits all leases. */
function slotEnd(leases: readonly Cidr[]): number {
  if (leases.length === 0) {
    throw new WarrenError('no-lease', 'this host has no container subnet yet; it comes with the first network map');
  }
  return Math.min(...leases.map(sizeOf), mostSlots);
}

function sizeOf(lease: Cidr): number {
  const { family, first, last } = cidrRange(lease);
  const size = last - first + 1n;
  const usable = family === 4 ? size - 1n : size;
  return usable > BigInt(mostSlots) ? mostSlots : Number(usable);
}
