/** Address pools over HTTP. A pool, once there, stays: hosts hold parts of it. */
import * as api from '../../shared/api/pools.ts';
import { poolCapacity } from '../ipam/allocate.ts';
import { type Route, read, write } from '../http/handler.ts';
import { createPool } from '../hosts/pools.ts';
import { type StoredPool, listPools } from '../store/pools.ts';
import { formatTime } from '../time.ts';

const list = read(api.listPools, async ({ deps: { store }, query }) => {
  const page = await listPools(store.db, query);
  return { items: page.items.map((pool) => presentPool(pool, pool.leased)), nextCursor: page.nextCursor };
});

const create = write(api.createPool, async ({ tx, body }) => presentPool(await createPool(tx, body), 0));

function presentPool(pool: StoredPool, leased: number): api.Pool {
  const { id, kind, prefix, leaseLength, createdAt } = pool;
  const capacity = poolCapacity(pool).toString();
  return { id, kind, prefix, leaseLength, leased, capacity, createdAt: formatTime(createdAt) };
}

export const poolRoutes: Route[] = [list, create];
