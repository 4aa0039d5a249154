/**
 * Addresses by arithmetic: a pool is cut into equal slots, slot numbers are what is handed out, and a slot's prefix
 * follows from its number. Two slots of a pool never overlap, and pools never do (`pools.ts`), so no two hosts can. Pure:
 * which slots are taken is an argument, and the store's UNIQUE (pool, slot) has the last word.
 */
import { type Family, addressBits } from '../../shared/net/address.ts';
import { type Cidr, cidrRange, makeCidr } from '../../shared/net/cidr.ts';

export interface PoolShape {
  readonly kind: 'overlay' | 'container';
  readonly prefix: Cidr;
  /** Bits of what one host gets. */
  readonly leaseLength: number;
}

/** Slots that may be handed out, both ends included. */
export interface SlotRange {
  readonly first: number;
  readonly last: number;
}

/** Slot numbers stay exact integers; no mesh gets near it. */
const maxSlots = 2n ** 48n;

/** An overlay pool keeps its network and broadcast address (IPv4) or its subnet-router anycast address (RFC 4291). */
export function slotRange(pool: PoolShape): SlotRange {
  const count = slotCount(pool);
  const top = Number((count < maxSlots ? count : maxSlots) - 1n);
  if (pool.kind === 'container' || count < 4n) return { first: 0, last: top };
  const isWhole = count <= maxSlots;
  return { first: 1, last: cidrRange(pool.prefix).family === 4 && isWhole ? top - 1 : top };
}

/** How many leases the pool holds in all. */
export function poolCapacity(pool: PoolShape): bigint {
  const { first, last } = slotRange(pool);
  const count = slotCount(pool);
  return count > maxSlots ? count - BigInt(first) : BigInt(last - first + 1);
}

export function slotPrefix(pool: PoolShape, slot: number): Cidr {
  const { family, first } = cidrRange(pool.prefix);
  return makeCidr(family, first + BigInt(slot) * slotSize(family, pool.leaseLength), pool.leaseLength);
}

/**
 * The first free slot from `from` to `last`, given the taken ones from `from` on in rising order. `taken` may be cut
 * short; then `undefined` means: none free up to the last one given.
 */
export function firstGap(from: number, last: number, taken: readonly number[]): number | undefined {
  let candidate = from;
  for (const slot of taken) {
    if (slot > candidate) break;
    if (slot === candidate) candidate += 1;
  }
  return candidate <= last ? candidate : undefined;
}

const slotSize = (family: Family, length: number): bigint => 1n << BigInt(addressBits(family) - length);

function slotCount({ prefix, leaseLength }: PoolShape): bigint {
  return 1n << BigInt(Math.max(0, leaseLength - cidrRange(prefix).length));
}
