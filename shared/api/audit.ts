/** Who changed what, when: one row per mutation, written in the transaction it tells of. */
import { z } from 'zod';
import { operation, pageOf, pageQuerySchema, timeSchema } from './route.ts';

export const auditEntrySchema = z.strictObject({
  /** Decimal, grows with time. */
  id: z.string(),
  at: timeSchema,
  /** `key:<id>`, `host:<id>` or `server`. */
  actor: z.string(),
  /** The operation, for example `host.approve`. */
  action: z.string(),
  /** The id of what it was done to, where there is one. */
  subject: z.string().nullable(),
  detail: z.record(z.string(), z.unknown()),
  /** The revision of the mesh after the change. */
  revision: z.int(),
});
export type AuditEntry = z.infer<typeof auditEntrySchema>;

export const listAudit = operation({
  id: 'audit.list',
  method: 'GET',
  path: '/api/v1/audit',
  access: 'admin',
  summary: 'List audit entries, newest first; `after` lists later ones, oldest first',
  query: pageQuerySchema.extend({
    after: z
      .string()
      .regex(/^\d{1,15}$/)
      .optional(),
  }),
  reply: pageOf(auditEntrySchema),
});
