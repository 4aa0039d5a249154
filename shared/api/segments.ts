/** Segments: groups of workloads that reach each other and nobody else's, over all hosts. */
import { z } from 'zod';
import { segmentNameSchema, segmentSchema } from '../workload.ts';
import { operation, pageOf, pageQuerySchema, timeSchema } from './route.ts';

export const segmentKindSchema = segmentSchema.shape.kind;

export const declaredSegmentSchema = segmentSchema.extend({ createdAt: timeSchema });

export const shownSegmentSchema = segmentSchema.extend({
  /** False for a routed segment that exists only because workloads name it. */
  isDeclared: z.boolean(),
  /** Workloads of active hosts that are in it, and how many hosts have some. */
  workloads: z.int(),
  hosts: z.int(),
  createdAt: timeSchema.nullable(),
});
export type ShownSegment = z.infer<typeof shownSegmentSchema>;

export const listSegments = operation({
  id: 'segment.list',
  method: 'GET',
  path: '/api/v1/segments',
  access: 'read',
  summary: 'List segments by name, those that only workloads name among them',
  query: pageQuerySchema,
  reply: pageOf(shownSegmentSchema),
});

export const createSegment = operation({
  id: 'segment.create',
  method: 'POST',
  path: '/api/v1/segments',
  access: 'operator',
  summary: 'Declare a segment; a bridged one is one Ethernet over all hosts that have members',
  body: z.strictObject({ name: segmentNameSchema, kind: segmentKindSchema.default('routed') }),
  reply: declaredSegmentSchema,
  status: 201,
});

export const removeSegment = operation({
  id: 'segment.remove',
  method: 'DELETE',
  path: '/api/v1/segments/{name}',
  access: 'operator',
  summary: 'Remove what was declared of a segment; workloads that name it stay together as a routed one',
  params: z.strictObject({ name: segmentNameSchema }),
});
