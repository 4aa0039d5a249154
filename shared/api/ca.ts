/** The mesh's certificate authority, and how it is replaced. */
import { z } from 'zod';
import { hostNameSchema } from '../names.ts';
import { operation, timeSchema } from './route.ts';

export const caSchema = z.strictObject({
  /** SHA-256 of the CA's SubjectPublicKeyInfo, base64. */
  pin: z.string(),
  expiresAt: timeSchema,
  /** CAs whose certificates are valid still, newest first. */
  formers: z.array(z.strictObject({ pin: z.string(), succeededAt: timeSchema })),
  /** Active hosts whose certificate is of one of these. */
  hostsBehind: z.array(hostNameSchema),
});
export type Ca = z.infer<typeof caSchema>;

export const getCa = operation({
  id: 'ca.get',
  method: 'GET',
  path: '/api/v1/ca',
  access: 'read',
  summary: 'Show the CA, its former ones, and who has certificates of these',
  reply: caSchema,
});

export const rotateCa = operation({
  id: 'ca.rotate',
  method: 'POST',
  path: '/api/v1/ca/rotate',
  access: 'admin',
  summary: 'Put a new CA in place; hosts follow by themselves, certificates of the former one stay valid',
  reply: caSchema,
});

export const retireCa = operation({
  id: 'ca.retire',
  method: 'POST',
  path: '/api/v1/ca/retire',
  access: 'admin',
  summary: 'End all former CAs and the certificates they signed',
  body: z.strictObject({ isForced: z.boolean().default(false) }),
  reply: caSchema,
});
