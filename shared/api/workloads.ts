/** Workloads: what runs on hosts and can be named and reached, as their agents tell it. Read only. */
import { z } from 'zod';
import { hostIdSchema, hostNameSchema } from '../names.ts';
import { labelNameSchema, segmentNameSchema, workloadSchema } from '../workload.ts';
import { operation, pageOf, pageQuerySchema } from './route.ts';

export const shownWorkloadSchema = z.strictObject({
  hostId: hostIdSchema,
  hostName: hostNameSchema,
  ...workloadSchema.shape,
});
export type ShownWorkload = z.infer<typeof shownWorkloadSchema>;

export const listWorkloads = operation({
  id: 'workload.list',
  method: 'GET',
  path: '/api/v1/workloads',
  access: 'read',
  summary: 'List the workloads of active hosts',
  query: pageQuerySchema.extend({
    service: labelNameSchema.optional(),
    host: hostIdSchema.optional(),
    segment: segmentNameSchema.optional(),
  }),
  reply: pageOf(shownWorkloadSchema),
});
