/** Enrollment tokens: what lets a machine become a host, a limited number of times. */
import { z } from 'zod';
import { labelSchema, tagsSchema } from '../names.ts';
import { tokenIdSchema } from '../token.ts';
import { operation, pageOf, pageQuerySchema, timeSchema } from './route.ts';

export const tokenSchema = z.strictObject({
  id: tokenIdSchema,
  /** A label for people. */
  name: labelSchema.nullable(),
  uses: z.int(),
  usesLeft: z.int(),
  expiresAt: timeSchema,
  tags: tagsSchema,
  /** False: hosts wait as `pending` until somebody approves them. */
  autoApprove: z.boolean(),
  /** True: hosts are removed by themselves after they were away for a while. */
  ephemeral: z.boolean(),
  state: z.enum(['active', 'used', 'expired', 'revoked']),
  createdAt: timeSchema,
});
export type Token = z.infer<typeof tokenSchema>;

export const createdTokenSchema = tokenSchema.extend({
  /** The whole token; shown this once. */
  token: z.string(),
  /** One line for the machine to be enrolled; it verifies the server's key by pin before it runs anything. */
  installCommand: z.string(),
});

export const listTokens = operation({
  id: 'token.list',
  method: 'GET',
  path: '/api/v1/tokens',
  access: 'operator',
  summary: 'List enrollment tokens, without their secrets',
  query: pageQuerySchema,
  reply: pageOf(tokenSchema),
});

export const createToken = operation({
  id: 'token.create',
  method: 'POST',
  path: '/api/v1/tokens',
  access: 'operator',
  summary: 'Make an enrollment token',
  body: z.strictObject({
    uses: z.int().min(1).max(100_000).default(1),
    /** Default: 24 hours from now. At most one year. */
    expiresAt: timeSchema.optional(),
    tags: tagsSchema.default([]),
    autoApprove: z.boolean().default(true),
    ephemeral: z.boolean().default(false),
    name: labelSchema.optional(),
  }),
  reply: createdTokenSchema,
  status: 201,
});

export const revokeToken = operation({
  id: 'token.revoke',
  method: 'DELETE',
  path: '/api/v1/tokens/{id}',
  access: 'operator',
  summary: 'Revoke an enrollment token; hosts that used it stay',
  params: z.strictObject({ id: tokenIdSchema }),
});
