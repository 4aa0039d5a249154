/** Pools: the prefixes that overlay addresses and container leases are cut from. */
import { z } from 'zod';
import { cidrSchema } from '../net/cidr.ts';
import { operation, pageOf, pageQuerySchema, timeSchema } from './route.ts';

export const poolIdSchema = z.string().regex(/^p[a-z2-7]{16}$/, { error: 'a pool id looks like pabcdefghijklmn23' });
export const poolKindSchema = z.enum(['overlay', 'container']);

export const poolSchema = z.strictObject({
  id: poolIdSchema,
  kind: poolKindSchema,
  prefix: cidrSchema,
  /** Bits of what one host gets: 32 or 128 for overlay addresses, the lease's length for containers. */
  leaseLength: z.int().min(8).max(128),
  leased: z.int(),
  /** How many leases the pool holds in all, as a decimal string (an IPv6 pool may hold more than 2^53). */
  capacity: z.string(),
  createdAt: timeSchema,
});
export type Pool = z.infer<typeof poolSchema>;

export const listPools = operation({
  id: 'pool.list',
  method: 'GET',
  path: '/api/v1/pools',
  access: 'read',
  summary: 'List address pools',
  query: pageQuerySchema,
  reply: pageOf(poolSchema),
});

export const createPool = operation({
  id: 'pool.create',
  method: 'POST',
  path: '/api/v1/pools',
  access: 'admin',
  summary: 'Add an address pool; existing hosts keep what they have',
  body: z.strictObject({
    kind: poolKindSchema,
    prefix: cidrSchema,
    /** Default: 32 or 128 for overlay, 24 or 64 for containers. */
    leaseLength: z.int().min(8).max(128).optional(),
  }),
  reply: poolSchema,
  status: 201,
});
