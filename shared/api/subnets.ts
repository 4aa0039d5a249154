/** Advertised subnets: prefixes a host routes for besides its lease, used once an operator approved them. */
import { z } from 'zod';
import { hostIdSchema, hostNameSchema } from '../names.ts';
import { cidrSchema } from '../net/cidr.ts';
import { weightSchema } from '../network-map.ts';
import { operation, pageOf, pageQuerySchema, timeSchema } from './route.ts';

export const subnetIdSchema = z
  .string()
  .regex(/^s[a-z2-7]{16}$/, { error: 'a subnet id looks like sabcdefghijklmn23' });

export const subnetSchema = z.strictObject({
  id: subnetIdSchema,
  hostId: hostIdSchema,
  hostName: hostNameSchema,
  prefix: cidrSchema,
  weight: weightSchema,
  state: z.enum(['pending', 'approved', 'rejected']),
  /** True while this host is the one that carries the prefix. */
  isActive: z.boolean(),
  createdAt: timeSchema,
  version: z.int(),
});
export type Subnet = z.infer<typeof subnetSchema>;

const hostParams = z.strictObject({ id: hostIdSchema });
const subnetParams = z.strictObject({ id: subnetIdSchema });

export const listSubnets = operation({
  id: 'subnet.list',
  method: 'GET',
  path: '/api/v1/subnets',
  access: 'read',
  summary: 'List the advertised subnets of all hosts',
  query: pageQuerySchema.extend({ state: subnetSchema.shape.state.optional() }),
  reply: pageOf(subnetSchema),
});

export const showSubnet = operation({
  id: 'subnet.show',
  method: 'GET',
  path: '/api/v1/subnets/{id}',
  access: 'read',
  summary: 'Show one advertised subnet',
  params: subnetParams,
  reply: subnetSchema,
});

export const updateSubnet = operation({
  id: 'subnet.update',
  method: 'PATCH',
  path: '/api/v1/subnets/{id}',
  access: 'operator',
  summary: 'Approve or reject an advertised subnet, or change its weight',
  params: subnetParams,
  body: z
    .strictObject({ state: z.enum(['approved', 'rejected']).optional(), weight: weightSchema.optional() })
    .refine((body) => body.state !== undefined || body.weight !== undefined, { error: 'give state or weight' }),
  reply: subnetSchema,
  isConditional: true,
});

export const listHostSubnets = operation({
  id: 'host.subnet.list',
  method: 'GET',
  path: '/api/v1/hosts/{id}/subnets',
  access: 'read',
  summary: 'List the advertised subnets of one host',
  params: hostParams,
  query: pageQuerySchema,
  reply: pageOf(subnetSchema),
});

export const createHostSubnet = operation({
  id: 'subnet.create',
  method: 'POST',
  path: '/api/v1/hosts/{id}/subnets',
  access: 'operator',
  summary: 'Advertise a subnet for a host, approved at once',
  params: hostParams,
  body: z.strictObject({ prefix: cidrSchema, weight: weightSchema.default(10) }),
  reply: subnetSchema,
  status: 201,
});

export const removeHostSubnet = operation({
  id: 'subnet.remove',
  method: 'DELETE',
  path: '/api/v1/hosts/{id}/subnets/{subnetId}',
  access: 'operator',
  summary: 'Remove an advertised subnet',
  params: hostParams.extend({ subnetId: subnetIdSchema }),
});
