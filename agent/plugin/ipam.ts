/**
 * The IPAM driver: every network of the `warren` driver has this host's lease as its pool and the lease's first address
 * as its gateway, so hosts need no coordination. What was asked before is answered the same again, for the engine asks
 * anew whenever it starts.
 */
import { WarrenError } from '../../shared/errors.ts';
import type { Address } from '../../shared/net/address.ts';
import { type Cidr, cidrFamily, cidrRange, contains, containsAddress, parseCidr } from '../../shared/net/cidr.ts';
import { gatewayOf, isSlotWithin, slotAddress } from '../attach/ipam.ts';
import { type Slots, slotOf } from '../attach/slots.ts';
import { type Page, type PluginBook, addressesInUse, slotsInUse, withReserved, withoutReserved } from './book.ts';
import { type AddressRequest, type PoolRequest, bareAddress, isGiven } from './protocol.ts';

/**
 * What the engine is told of an IPv4 pool that it did not choose. It would ask for other pools for ever, because the
 * lease overlaps the route of our own bridge; this one answer it does not compare (moby `requestPoolHelper`).
 */
export const anyPool = '0.0.0.0/0' as Cidr;

export interface IpamDriver {
  requestPool(request: PoolRequest): { PoolID: string; Pool: Cidr; Data: Record<string, never> };
  requestAddress(request: AddressRequest): Promise<{ Address: string; Data: Record<string, never> }>;
  /** Of anything unknown: nothing to do. */
  releaseAddress(address: string | null | undefined): Promise<void>;
}

export interface IpamParts {
  readonly book: PluginBook;
  readonly slots: Pick<Slots, 'take' | 'settle' | 'isEngines'>;
  /** This host's leases, one per family at most. */
  readonly leases: () => readonly Cidr[];
}

export function createIpamDriver(parts: IpamParts): IpamDriver {
  const { book, leases } = parts;
  return {
    requestPool: ({ Pool, SubPool, V6 }) => {
      const lease = leaseOf(leases(), V6 ? 6 : 4);
      // The engine asks for what it was told before when it starts again.
      const isChosen = isGiven(Pool) && Pool !== anyPool;
      if (isChosen && Pool !== lease) {
        throw new WarrenError(
          'prefix-refused',
          `this host's container subnet is ${lease}, not ${Pool}; leave --subnet out`,
        );
      }
      const part = isGiven(SubPool) ? partOf(lease, SubPool) : undefined;
      const shown = isChosen || V6 ? lease : anyPool;
      return { PoolID: part === undefined ? lease : `${lease},${part}`, Pool: shown, Data: {} };
    },
    requestAddress: async ({ PoolID, Address: wanted, Options }) => {
      const pool = readPool(PoolID, leases());
      const { length } = cidrRange(pool.lease);
      const answer = (address: Address) => ({ Address: `${address}/${length}`, Data: {} });
      if (Options['RequestAddressType'] === 'com.docker.network.gateway') return answer(gatewayFor(pool.lease, wanted));
      return answer(await reserve(parts, pool, isGiven(wanted) ? bareAddress(wanted) : undefined));
    },
    releaseAddress: async (given) => {
      if (!isGiven(given)) return;
      const address = bareAddress(given);
      await book.change((page) => (page.reserved.has(address) ? withoutReserved(page, address) : page));
    },
  };
}

interface Pool {
  readonly lease: Cidr;
  /** Where in the lease addresses are chosen; the lease itself most of the time. */
  readonly part: Cidr;
}

/** Chosen and written down in one turn of the book, so that no two requests get the same. */
async function reserve({ book, slots, leases }: IpamParts, pool: Pool, wanted: Address | undefined): Promise<Address> {
  let taken: number | undefined;
  let address = wanted;
  try {
    await book.change((page) => {
      if (wanted !== undefined && addressesInUse(page).has(wanted)) return withReserved(page, wanted);
      const own = wanted === undefined ? halfUsedSlot(page, leases(), pool) : ownSlot(page, leases(), wanted);
      if (own === undefined)
        taken = wanted === undefined ? takeAny(slots, leases(), pool) : takeThis(slots, leases(), wanted);
      address = wanted ?? slotAddress(pool.lease, own ?? taken ?? 0);
      return withReserved(page, address);
    });
  } finally {
    if (taken !== undefined) slots.settle(taken);
  }
  if (address === undefined) throw new WarrenError('addresses-exhausted', `${pool.lease} has no free address`);
  return address;
}

/** A slot whose address of the other family is an endpoint's here, so that both families of a container pair up. */
function halfUsedSlot(page: Page, leases: readonly Cidr[], { lease, part }: Pool): number | undefined {
  const inUse = addressesInUse(page);
  return slotsInUse(page, leases).find((slot) => {
    if (!isSlotWithin(leases, slot)) return false;
    const address = slotAddress(lease, slot);
    return !inUse.has(address) && containsAddress(part, address);
  });
}

function ownSlot(page: Page, leases: readonly Cidr[], wanted: Address): number | undefined {
  const slot = slotOf(leases, wanted);
  return slotsInUse(page, leases).find((one) => one === slot);
}

function takeThis(slots: IpamParts['slots'], leases: readonly Cidr[], wanted: Address): number {
  const slot = slotOf(leases, wanted);
  if (slot !== undefined && isSlotWithin(leases, slot) && slots.isEngines(leases, slot)) {
    throw new WarrenError(
      'attachment-conflict',
      `${wanted} is in the half of the lease that the engine itself gives out`,
    );
  }
  if (slot !== undefined) return slots.take(leases, slot);
  throw new WarrenError(
    'prefix-refused',
    `${wanted} is not within this host's container subnet ${leases.join(' and ')}`,
  );
}

function takeAny(slots: IpamParts['slots'], leases: readonly Cidr[], { lease, part }: Pool): number {
  if (part === lease) return slots.take(leases);
  const { first, last } = cidrRange(part);
  const base = cidrRange(lease).first;
  for (let slot = Number(first - base); slot <= Number(last - base) && isBelowEnd(slot); slot += 1) {
    try {
      return slots.take(leases, slot);
    } catch (error) {
      if (!(error instanceof WarrenError) || error.code !== 'attachment-conflict') throw error;
    }
  }
  throw new WarrenError('addresses-exhausted', `all addresses of ${part} are in use`);
}

/** Slots of a lease are small numbers, however large an IPv6 lease is. */
const isBelowEnd = (slot: number): boolean => slot < 65_536;

function leaseOf(leases: readonly Cidr[], family: 4 | 6): Cidr {
  const lease = leases.find((one) => cidrFamily(one) === family);
  if (lease !== undefined) return lease;
  throw new WarrenError('no-lease', `this host has no IPv${family} container subnet now; see warren status`);
}

function partOf(lease: Cidr, given: string): Cidr {
  const part = parseCidr(given);
  if (contains(lease, part)) return part;
  throw new WarrenError('prefix-refused', `--ip-range ${part} is not within this host's container subnet ${lease}`);
}

/** A pool is known by what it is, so there is nothing to keep of it, and nothing to lose. */
function readPool(id: string, leases: readonly Cidr[]): Pool {
  const [first = '', second] = id.split(',');
  const lease = leases.find((one) => one === first);
  if (lease === undefined) {
    throw new WarrenError(
      'no-lease',
      `this host's container subnet is ${leases.join(' and ') || 'not known yet'}, no longer ${first}; remove the network and create it again`,
    );
  }
  return { lease, part: second === undefined ? lease : partOf(lease, second) };
}

function gatewayFor(lease: Cidr, wanted: string | null | undefined): Address {
  const gateway = gatewayOf(lease);
  if (!isGiven(wanted) || bareAddress(wanted) === gateway) return gateway;
  throw new WarrenError('prefix-refused', `the gateway of ${lease} is ${gateway}, not ${wanted}; leave --gateway out`);
}
