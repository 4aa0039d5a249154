/**
 * Who of this host uses which slot of the lease. Attachments, plugins and the container engine each keep a book of their
 * own; asked one after the other through here they never get the same slot, whichever is still writing its book.
 */
import { WarrenError } from '../../shared/errors.ts';
import type { Address } from '../../shared/net/address.ts';
import { type Cidr, addressAt, cidrFamily, cidrRange, containsAddress } from '../../shared/net/cidr.ts';
import { chooseSlot, isSlotWithin, slotAddress } from './ipam.ts';

export interface Slots {
  /** Another book whose slots are in use; asked at each choice. */
  addBook(used: () => Iterable<number>): void;
  /**
   * Takes a free slot, or exactly `wanted`, at once. It stays taken until `settle`, which is called when it stands in a
   * book or nothing came of it. Throws `no-lease`, `addresses-exhausted`, or `attachment-conflict` for a wanted one.
   */
  take(leases: readonly Cidr[], wanted?: number): number;
  settle(slot: number): void;
  /** All slots in use, and those that are being taken. */
  used(): ReadonlySet<number>;
  /** Where the next choice begins, to go on there after a restart: a freed slot is the last to be used again. */
  next(): number;
  resume(next: number): void;
  /** True from now on: the upper half of the lease is the engine's, and not given out here. */
  shareWithEngine(isShared: boolean): void;
  /** True for a slot that the engine may give out by itself. */
  isEngines(leases: readonly Cidr[], slot: number): boolean;
}

export function createSlots(): Slots {
  const books: (() => Iterable<number>)[] = [];
  const pending = new Set<number>();
  let next = 0;
  let isShared = false;
  const used = (): Set<number> => new Set([...pending, ...books.flatMap((book) => [...book()])]);
  return {
    addBook: (book) => books.push(book),
    take: (leases, wanted) => {
      const slot = wanted ?? chooseSlot(isShared ? leases.map(lowerHalf) : leases, used(), next);
      if (wanted !== undefined) refuseTaken(leases, wanted, used());
      else next = slot + 1;
      pending.add(slot);
      return slot;
    },
    used,
    settle: (slot) => pending.delete(slot),
    next: () => next,
    resume: (from) => (next = Math.max(next, from)),
    shareWithEngine: (shared) => (isShared = shared),
    isEngines: (leases, slot) =>
      isShared && leases.some((lease) => containsAddress(upperHalf(lease), slotAddress(lease, slot))),
  };
}

function refuseTaken(leases: readonly Cidr[], slot: number, used: ReadonlySet<number>): void {
  const [lease] = leases;
  if (lease === undefined || !isSlotWithin(leases, slot)) {
    throw new WarrenError('attachment-conflict', `slot ${slot} is not within ${leases.join(' and ')}`);
  }
  if (used.has(slot)) {
    throw new WarrenError(
      'attachment-conflict',
      `${slotAddress(lease, slot)} is in use on this host; choose another address`,
    );
  }
}

/** The slot of an address of one of the leases, undefined for any other address. */
export function slotOf(leases: readonly Cidr[], address: Address): number | undefined {
  for (const lease of leases) {
    const { first, last } = cidrRange(lease);
    if (cidrFamily(lease) !== (address.includes(':') ? 6 : 4)) continue;
    const value = cidrRange(`${address}/${address.includes(':') ? 128 : 32}`).first;
    if (value >= first && value <= last) {
      const offset = value - first;
      return offset <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(offset) : undefined;
    }
  }
  return undefined;
}

/** The part of a lease whose addresses this agent gives out where the engine gives out the rest. */
export const lowerHalf = (lease: Cidr): Cidr => half(lease, 0);
/** The part that the engine gives out. */
export const upperHalf = (lease: Cidr): Cidr => half(lease, 1);

function half(lease: Cidr, which: 0 | 1): Cidr {
  const { first, last, length } = cidrRange(lease);
  const middle = (last - first + 1n) / 2n;
  return `${addressAt(lease, which === 0 ? 0n : middle)}/${length + 1}` as Cidr;
}
