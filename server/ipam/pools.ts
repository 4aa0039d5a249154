/** What a pool must be like, and which pools a new mesh gets. Pure. */
import { WarrenError } from '../../shared/errors.ts';
import { addressBits } from '../../shared/net/address.ts';
import { type Cidr, cidrFamily, cidrRange, makeCidr, overlaps } from '../../shared/net/cidr.ts';
import { longestLease } from '../../shared/net/lease.ts';
import { refuseReserved } from '../../shared/net/reserved.ts';
import type { PoolShape } from './allocate.ts';

export interface UsedByPools {
  /** All pools; every lease and overlay address lies in one of them. */
  readonly pools: readonly PoolShape[];
  /** Approved advertised subnets. */
  readonly subnets: readonly Cidr[];
}

/** The settings every host knows hold at most this many prefixes of a kind. */
const maxPoolsPerKind = 32;

/** Throws `prefix-refused`, `prefix-overlaps` or `request-invalid` unless `pool` may be added to what is in use. */
export function refusePool(pool: PoolShape, used: UsedByPools): void {
  refuseReserved(pool.prefix, 'prefix');
  refuseLength(pool);
  if (used.pools.filter(({ kind }) => kind === pool.kind).length >= maxPoolsPerKind) {
    throw new WarrenError('conflict', `a mesh has at most ${maxPoolsPerKind} ${pool.kind} pools; this one has as many`);
  }
  refuseOverlap(
    pool.prefix,
    'pool',
    used.pools.map(({ prefix }) => prefix),
  );
  refuseOverlap(pool.prefix, 'approved subnet', used.subnets);
}

export function defaultLeaseLength(kind: PoolShape['kind'], prefix: Cidr): number {
  const family = cidrFamily(prefix);
  if (kind === 'overlay') return addressBits(family);
  return family === 4 ? 24 : 64;
}

/**
 * Pools of a new mesh: one of each kind and family. The mesh's own /48 is cut in two: its first /64 for overlay
 * addresses, its upper half for leases, so that pools never overlap.
 */
export function firstPools(given: { overlayPool: Cidr; containerPool: Cidr; ula: Cidr }): PoolShape[] {
  const { first } = cidrRange(given.ula);
  const upperHalf = first + (1n << BigInt(128 - 49));
  const pool = (kind: PoolShape['kind'], prefix: Cidr): PoolShape => ({
    kind,
    prefix,
    leaseLength: defaultLeaseLength(kind, prefix),
  });
  return [
    pool('overlay', given.overlayPool),
    pool('overlay', makeCidr(6, first, 64)),
    pool('container', given.containerPool),
    pool('container', makeCidr(6, upperHalf, 49)),
  ];
}

function refuseLength({ kind, prefix, leaseLength }: PoolShape): void {
  const { family, length } = cidrRange(prefix);
  const bits = addressBits(family);
  if (kind === 'overlay' && leaseLength !== bits) {
    throw lengthError(`a host gets one overlay address of a pool; leave leaseLength out or give ${bits}`);
  }
  if (kind === 'container' && leaseLength > longestLease(family)) {
    throw lengthError(`a lease of /${leaseLength} has no room for containers; give at most ${longestLease(family)}`);
  }
  if (leaseLength < length) {
    throw lengthError(`a lease of /${leaseLength} does not fit into ${prefix}; give at least ${length}`);
  }
}

function refuseOverlap(prefix: Cidr, what: string, used: readonly Cidr[]): void {
  const other = used.find((candidate) => overlaps(candidate, prefix));
  if (other === undefined) return;
  throw new WarrenError('prefix-overlaps', `${prefix} overlaps the ${what} ${other}; choose a prefix outside of it`, {
    field: 'prefix',
  });
}

const lengthError = (message: string): WarrenError =>
  new WarrenError('request-invalid', `leaseLength: ${message}`, { field: 'leaseLength' });
