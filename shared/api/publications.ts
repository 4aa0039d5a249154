/** Publications: ports of hosts that lead to the healthy instances of a service, wherever these run. */
import { z } from 'zod';
import { hostIdSchema, hostNameSchema } from '../names.ts';
import { labelNameSchema, portNumberSchema, publicationSchema, transportSchema } from '../workload.ts';
import { operation, pageOf, pageQuerySchema, timeSchema } from './route.ts';

export const publicationIdSchema = publicationSchema.shape.id;

export const shownPublicationSchema = publicationSchema.extend({
  /** Null: on every host. */
  hostName: hostNameSchema.nullable(),
  createdAt: timeSchema,
});
export type ShownPublication = z.infer<typeof shownPublicationSchema>;

const params = z.strictObject({ id: publicationIdSchema });

export const listPublications = operation({
  id: 'publication.list',
  method: 'GET',
  path: '/api/v1/publications',
  access: 'read',
  summary: 'List published ports',
  query: pageQuerySchema,
  reply: pageOf(shownPublicationSchema),
});

export const showPublication = operation({
  id: 'publication.show',
  method: 'GET',
  path: '/api/v1/publications/{id}',
  access: 'read',
  summary: 'Show one published port',
  params,
  reply: shownPublicationSchema,
});

export const createPublication = operation({
  id: 'publication.create',
  method: 'POST',
  path: '/api/v1/publications',
  access: 'operator',
  summary: 'Publish a service: a port of one host or of all of them leads to its healthy instances',
  body: z.strictObject({
    service: labelNameSchema,
    /** What the instances listen on. */
    targetPort: portNumberSchema,
    /** On the host's underlay addresses. */
    port: portNumberSchema,
    protocol: transportSchema.default('tcp'),
    /** Null: on every host. */
    host: hostIdSchema.nullable().default(null),
  }),
  reply: shownPublicationSchema,
  status: 201,
});

export const removePublication = operation({
  id: 'publication.remove',
  method: 'DELETE',
  path: '/api/v1/publications/{id}',
  access: 'operator',
  summary: 'Take a published port back',
  params,
});
