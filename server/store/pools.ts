/** Pools that overlay addresses and leases are cut from. Whoever adds one calls `tx.touchMesh` as well. */
import { type Cidr, cidrFamily } from '../../shared/net/cidr.ts';
import type { Family } from '../../shared/net/address.ts';
import { makeId } from './ids.ts';
import { type Page, type PageRequest, makePage, readPlace } from './page.ts';
import type { Db, PoolKind } from './schema.ts';
import type { Tx } from './transact.ts';

export interface StoredPool {
  readonly id: string;
  readonly kind: PoolKind;
  readonly family: Family;
  readonly prefix: Cidr;
  /** Bits of what one host gets. */
  readonly leaseLength: number;
  readonly nextSlot: number;
  readonly createdAt: number;
}

/** All pools, oldest first: the order in which they are used. */
export async function listAllPools(db: Db): Promise<StoredPool[]> {
  return db.selectFrom('pool').select(columns).orderBy('created_at').orderBy('family').orderBy('id').execute();
}

export async function listPools(db: Db, request: PageRequest): Promise<Page<StoredPool & { leased: number }>> {
  const place = readPlace(request.cursor);
  let query = db
    .selectFrom('pool')
    .select(columns)
    .select((eb) =>
      eb
        .selectFrom('lease')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .whereRef('lease.pool_id', '=', 'pool.id')
        .as('leased'),
    )
    .orderBy('created_at')
    .orderBy('id');
  if (place !== undefined) {
    query = query.where((eb) => eb(eb.refTuple('created_at', 'id'), '>', eb.tuple(place.createdAt, place.id)));
  }
  const rows = await query.limit(request.limit + 1).execute();
  return makePage(
    rows.map((row) => ({ ...row, leased: row.leased ?? 0 })),
    request.limit,
  );
}

export async function insertPool(
  tx: Tx,
  pool: Pick<StoredPool, 'kind' | 'prefix' | 'leaseLength'>,
): Promise<StoredPool> {
  return tx.db
    .insertInto('pool')
    .values({
      id: makeId('p', (bytes) => tx.random(bytes)),
      kind: pool.kind,
      family: cidrFamily(pool.prefix),
      prefix: pool.prefix,
      lease_length: pool.leaseLength,
      next_slot: 1,
      created_at: tx.now,
    })
    .returning(columns)
    .executeTakeFirstOrThrow();
}

export async function setNextSlot(tx: Tx, poolId: string, nextSlot: number): Promise<void> {
  await tx.db.updateTable('pool').set({ next_slot: nextSlot }).where('id', '=', poolId).execute();
}

const columns = [
  'id',
  'kind',
  'family',
  'prefix',
  'lease_length as leaseLength',
  'next_slot as nextSlot',
  'created_at as createdAt',
] as const;
