/** What an operator does before many hosts come. */
import { createPool } from '../../../shared/api/pools.ts';
import { createToken, createdTokenSchema } from '../../../shared/api/tokens.ts';
import type { Fleet } from './fleet.ts';

/** Leases for more than the 256 hosts that the default pool has room for, and a token for all; answers the token. */
export async function makeRoom(key: string, fleet: Fleet): Promise<string> {
  const pool = { kind: 'container', prefix: '10.128.0.0/10', leaseLength: 24 };
  await fleet.operate(key, createPool.method, createPool.path, pool);
  const { body } = await fleet.operate(key, createToken.method, createToken.path, { uses: 20_000 });
  return createdTokenSchema.parse(JSON.parse(body)).token;
}
