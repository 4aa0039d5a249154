/** The mesh as a whole, and the live view of its hosts. */
import { z } from 'zod';
import { hostIdSchema, hostNameSchema } from '../names.ts';
import { epochSchema, meshSettingsSchema, natSchema, revisionSchema } from '../network-map.ts';
import { hostStateSchema } from '../protocol.ts';
import { operation, pageOf, pageQuerySchema, timeSchema } from './route.ts';
import { failureSchema, peerReportSchema } from './report.ts';

export const showMesh = operation({
  id: 'mesh.show',
  method: 'GET',
  path: '/api/v1/mesh',
  access: 'read',
  summary: 'Revision, counts and defaults of the mesh',
  reply: z.strictObject({
    epoch: epochSchema,
    revision: revisionSchema,
    settings: meshSettingsSchema,
    counts: z.strictObject({
      hosts: z.int(),
      active: z.int(),
      pending: z.int(),
      disabled: z.int(),
      registered: z.int(),
      online: z.int(),
      subnets: z.int(),
    }),
    caPin: z.string(),
    serverVersion: z.string(),
  }),
});

export const hostStatusSchema = z.strictObject({
  id: hostIdSchema,
  name: hostNameSchema,
  state: hostStateSchema,
  isOnline: z.boolean(),
  isGone: z.boolean(),
  lastSeenAt: timeSchema.nullable(),
  appliedRevision: z.int().nullable(),
  nat: natSchema,
  isRelay: z.boolean(),
  peers: z.array(peerReportSchema),
  failures: z.array(failureSchema),
  containers: z.int(),
});

export const showStatus = operation({
  id: 'status.show',
  method: 'GET',
  path: '/api/v1/status',
  access: 'read',
  summary: 'What each host last reported',
  query: pageQuerySchema,
  reply: pageOf(hostStatusSchema).extend({ epoch: epochSchema, revision: revisionSchema }),
});

/** Answers server-sent events: one `change` event per revision, `{revision, action, subject, at}`. */
export const watchEvents = operation({
  id: 'events.watch',
  method: 'GET',
  path: '/api/v1/events',
  access: 'read',
  summary: 'Stream changes as server-sent events',
});
