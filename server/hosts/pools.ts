/** Adds address pools. Hosts that are there keep what they have. */
import type { Cidr } from '../../shared/net/cidr.ts';
import { defaultLeaseLength, refusePool } from '../ipam/pools.ts';
import { type StoredPool, insertPool, listAllPools } from '../store/pools.ts';
import type { Tx } from '../store/open.ts';
import { listApprovedPrefixes } from '../store/subnets.ts';

/** Throws `prefix-refused`, `prefix-overlaps`, `request-invalid`, or `conflict` where there are too many. */
export async function createPool(
  tx: Tx,
  spec: { kind: StoredPool['kind']; prefix: Cidr; leaseLength?: number | undefined },
): Promise<StoredPool> {
  const { kind, prefix, leaseLength = defaultLeaseLength(kind, prefix) } = spec;
  const pool = { kind, prefix, leaseLength };
  refusePool(pool, { pools: await listAllPools(tx.db), subnets: await listApprovedPrefixes(tx.db) });
  const stored = await insertPool(tx, pool);
  tx.touchMesh();
  tx.audit('pool.create', stored.id, pool);
  return stored;
}
