/** Hosts: machines of the mesh, from pre-registration to removal. */
import { z } from 'zod';
import { hostIdSchema, hostNameSchema, tagsSchema } from '../names.ts';
import { addressSchema } from '../net/address.ts';
import { cidrSchema } from '../net/cidr.ts';
import { endpointSchema } from '../net/endpoint.ts';
import { natSchema } from '../network-map.ts';
import { hostStateSchema } from '../protocol.ts';
import { publicKeySchema } from '../wireguard.ts';
import { operation, pageOf, pageQuerySchema, timeSchema } from './route.ts';

export const hostSchema = z.strictObject({
  id: hostIdSchema,
  name: hostNameSchema,
  state: hostStateSchema,
  tags: tagsSchema,
  /** Null until the machine enrolled. */
  publicKey: publicKeySchema.nullable(),
  addresses: z.array(addressSchema),
  leases: z.array(cidrSchema),
  /** What other hosts are told, best first. */
  endpoints: z.array(endpointSchema),
  /** What stands between the host and the others, as it found out. */
  nat: natSchema,
  /** True: the host forwards ciphertext for pairs that cannot meet. */
  isRelay: z.boolean(),
  isEphemeral: z.boolean(),
  /** True while the host holds an open feed. */
  isOnline: z.boolean(),
  /** True when the server moved the host's subnets to others because it found the host gone. */
  isGone: z.boolean(),
  isRotationDue: z.boolean(),
  lastSeenAt: timeSchema.nullable(),
  /** The revision the host says it has applied; null before its first report. */
  appliedRevision: z.int().nullable(),
  agentVersion: z.string().nullable(),
  /** Containers on the mesh, as the host last told. */
  containers: z.int(),
  certificateExpiresAt: timeSchema.nullable(),
  createdAt: timeSchema,
  enrolledAt: timeSchema.nullable(),
  version: z.int(),
});
export type Host = z.infer<typeof hostSchema>;

const params = z.strictObject({ id: hostIdSchema });

export const listHosts = operation({
  id: 'host.list',
  method: 'GET',
  path: '/api/v1/hosts',
  access: 'read',
  summary: 'List hosts',
  query: pageQuerySchema.extend({ state: hostStateSchema.optional(), name: hostNameSchema.optional() }),
  reply: pageOf(hostSchema),
});

export const createHost = operation({
  id: 'host.create',
  method: 'POST',
  path: '/api/v1/hosts',
  access: 'operator',
  summary: 'Pre-register a host: its name, addresses and lease are kept for the machine that enrolls by that name',
  body: z.strictObject({ name: hostNameSchema, tags: tagsSchema.default([]) }),
  reply: hostSchema,
  status: 201,
});

export const showHost = operation({
  id: 'host.show',
  method: 'GET',
  path: '/api/v1/hosts/{id}',
  access: 'read',
  summary: 'Show one host',
  params,
  reply: hostSchema,
});

export const updateHost = operation({
  id: 'host.update',
  method: 'PATCH',
  path: '/api/v1/hosts/{id}',
  access: 'operator',
  summary: 'Rename a host, change its tags, make it a relay or no relay',
  params,
  body: z
    .strictObject({ name: hostNameSchema.optional(), tags: tagsSchema.optional(), isRelay: z.boolean().optional() })
    .refine(({ name, tags, isRelay }) => name !== undefined || tags !== undefined || isRelay !== undefined, {
      error: 'give name, tags or isRelay',
    }),
  reply: hostSchema,
  isConditional: true,
});

export const removeHost = operation({
  id: 'host.remove',
  method: 'DELETE',
  path: '/api/v1/hosts/{id}',
  access: 'admin',
  summary: 'Remove a host: its certificate, addresses, lease and subnets end',
  params,
  isConditional: true,
});

export const approveHost = operation({
  id: 'host.approve',
  method: 'POST',
  path: '/api/v1/hosts/{id}/approve',
  access: 'operator',
  summary: 'Let a pending host into the mesh',
  params,
  reply: hostSchema,
});

export const disableHost = operation({
  id: 'host.disable',
  method: 'POST',
  path: '/api/v1/hosts/{id}/disable',
  access: 'operator',
  summary: 'Cut a host off; it keeps its addresses and may be enabled again',
  params,
  reply: hostSchema,
});

export const enableHost = operation({
  id: 'host.enable',
  method: 'POST',
  path: '/api/v1/hosts/{id}/enable',
  access: 'operator',
  summary: 'Let a disabled host back in',
  params,
  reply: hostSchema,
});

export const rotateHost = operation({
  id: 'host.rotate',
  method: 'POST',
  path: '/api/v1/hosts/{id}/rotate',
  access: 'operator',
  summary: 'Ask a host to replace its WireGuard key',
  params,
  reply: hostSchema,
});
