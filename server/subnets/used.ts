/** Reads what the mesh already uses, for `refuseSubnet`. */
import type { Db } from '../store/open.ts';
import { listAllPools } from '../store/pools.ts';
import { type UsedPrefixes, urlAddress } from './refuse.ts';

export async function readUsedPrefixes(db: Db, serverUrl: string): Promise<UsedPrefixes> {
  const pools = await listAllPools(db);
  return { pools: pools.map((pool) => pool.prefix), serverAddress: urlAddress(serverUrl) };
}
