/** What each host holds of the pools: an overlay address and a lease per address family. */
import { WarrenError } from '../../shared/errors.ts';
import type { HostId } from '../../shared/names.ts';
import type { Family } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import { firstGap, slotPrefix, slotRange } from '../ipam/allocate.ts';
import { groupBy } from './group.ts';
import { type StoredPool, listAllPools, setNextSlot } from './pools.ts';
import type { Db, PoolKind } from './schema.ts';
import type { Tx } from './transact.ts';

export interface StoredLease {
  readonly hostId: HostId;
  readonly poolId: string;
  readonly kind: PoolKind;
  readonly family: Family;
  /** An overlay address is a /32 or /128. */
  readonly prefix: Cidr;
}

/**
 * Gives a host what it lacks: one lease of each kind and family there are pools for; what it holds stays. Call
 * `tx.touchHost` as well. Throws `pool-exhausted`.
 */
export async function leaseAddresses(tx: Tx, hostId: HostId): Promise<StoredLease[]> {
  const pools = await listAllPools(tx.db);
  const held = (await readLeases(tx.db, [hostId])).get(hostId) ?? [];
  for (const [kind, family] of order) {
    const candidates = pools.filter((pool) => pool.kind === kind && pool.family === family);
    if (candidates.length === 0 || held.some((lease) => lease.kind === kind && lease.family === family)) continue;
    await leaseFrom(tx, candidates, hostId);
  }
  return (await readLeases(tx.db, [hostId])).get(hostId) ?? [];
}

/** Leases by host, overlay before container, IPv4 before IPv6; hosts without any are left out. */
export async function readLeases(db: Db, hostIds: readonly HostId[]): Promise<Map<HostId, StoredLease[]>> {
  if (hostIds.length === 0) return new Map();
  const rows = await db
    .selectFrom('lease')
    .select(['host_id as hostId', 'pool_id as poolId', 'kind', 'family', 'prefix'])
    .where('host_id', 'in', hostIds)
    .orderBy('kind', 'desc')
    .orderBy('family')
    .execute();
  return groupBy(rows, (lease) => lease.hostId);
}

const order: ReadonlyArray<readonly [PoolKind, Family]> = [
  ['overlay', 4],
  ['overlay', 6],
  ['container', 4],
  ['container', 6],
];

async function leaseFrom(tx: Tx, pools: readonly StoredPool[], hostId: HostId): Promise<void> {
  for (const pool of pools) {
    const slot = await findFreeSlot(tx.db, pool);
    if (slot === undefined) continue;
    const { id: pool_id, kind, family } = pool;
    const prefix = slotPrefix(pool, slot);
    await tx.db
      .insertInto('lease')
      .values({ pool_id, slot, host_id: hostId, kind, family, prefix, created_at: tx.now })
      .execute();
    await setNextSlot(tx, pool_id, slot + 1);
    return;
  }
  throw exhausted(pools);
}

/** From where the last search ended to the end, then from the start. */
async function findFreeSlot(db: Db, pool: StoredPool): Promise<number | undefined> {
  const { first, last } = slotRange(pool);
  const from = pool.nextSlot < first || pool.nextSlot > last ? first : pool.nextSlot;
  return (await searchSlots(db, pool.id, from, last)) ?? (await searchSlots(db, pool.id, first, from - 1));
}

const slotsPerRead = 512;

async function searchSlots(db: Db, poolId: string, from: number, last: number): Promise<number | undefined> {
  let start = from;
  while (start <= last) {
    const rows = await db
      .selectFrom('lease')
      .select('slot')
      .where('pool_id', '=', poolId)
      .where('slot', '>=', start)
      .where('slot', '<=', last)
      .orderBy('slot')
      .limit(slotsPerRead)
      .execute();
    const taken = rows.map(({ slot }) => slot);
    const end = taken.length < slotsPerRead ? last : (taken.at(-1) ?? last);
    const free = firstGap(start, end, taken);
    if (free !== undefined) return free;
    start = end + 1;
  }
  return undefined;
}

function exhausted(pools: readonly StoredPool[]): WarrenError {
  const kind = pools[0]?.kind ?? 'container';
  const names = pools.map(({ prefix, leaseLength }) => `${prefix} (/${leaseLength} each)`).join(', ');
  return new WarrenError(
    'pool-exhausted',
    `no free ${kind} prefix is left in ${names}; add a pool with \`warren pool add\` or remove hosts that are gone`,
  );
}
