/** API keys of people and programs: `wrn_<id>_<secret>`, stored hashed, with a scope and an expiry. */
import { z } from 'zod';
import { labelSchema } from '../names.ts';
import { operation, pageOf, pageQuerySchema, timeSchema } from './route.ts';

export const keyIdSchema = z.string().regex(/^k[a-z2-7]{16}$/, { error: 'a key id looks like kabcdefghijklmn23' });
export const scopeSchema = z.enum(['read', 'operator', 'admin']);
export type Scope = z.infer<typeof scopeSchema>;

export const keySchema = z.strictObject({
  id: keyIdSchema,
  name: labelSchema.nullable(),
  scope: scopeSchema,
  createdAt: timeSchema,
  /** Null: never. */
  expiresAt: timeSchema.nullable(),
  lastUsedAt: timeSchema.nullable(),
  state: z.enum(['active', 'expired', 'revoked']),
});
export type Key = z.infer<typeof keySchema>;

export const listKeys = operation({
  id: 'key.list',
  method: 'GET',
  path: '/api/v1/keys',
  access: 'admin',
  summary: 'List API keys, without their secrets',
  query: pageQuerySchema,
  reply: pageOf(keySchema),
});

export const createKey = operation({
  id: 'key.create',
  method: 'POST',
  path: '/api/v1/keys',
  access: 'admin',
  summary: 'Make an API key',
  body: z.strictObject({
    scope: scopeSchema,
    name: labelSchema.optional(),
    /** Default: 90 days from now; null: never. */
    expiresAt: timeSchema.nullable().optional(),
  }),
  reply: keySchema.extend({ key: z.string() }),
  status: 201,
});

export const revokeKey = operation({
  id: 'key.revoke',
  method: 'DELETE',
  path: '/api/v1/keys/{id}',
  access: 'admin',
  summary: 'Revoke an API key',
  params: z.strictObject({ id: keyIdSchema }),
});
