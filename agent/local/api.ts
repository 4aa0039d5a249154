/**
 * What commands on this host may ask the running agent, over its unix socket. Only root reaches the socket, but what
 * comes in is parsed all the same.
 */
import { z } from 'zod';
import { attachmentReportSchema, failureSchema, peerReportSchema, reportBodySchema } from '../../shared/api/report.ts';
import { timeSchema } from '../../shared/api/route.ts';
import { hostIdSchema, hostNameSchema, instanceNameSchema, interfaceNameSchema } from '../../shared/names.ts';
import { lockHashSchema } from '../../shared/lock/entry.ts';
import { addressSchema } from '../../shared/net/address.ts';
import { cidrSchema } from '../../shared/net/cidr.ts';
import { endpointSchema } from '../../shared/net/endpoint.ts';
import { attachRequestSchema } from '../attach/request.ts';
import {
  dockerReplySchema,
  dockerRequestSchema,
  nameSchema,
  namesReplySchema,
  queryReplySchema,
} from './container-api.ts';
import { netcheckSchema } from '../netcheck/check.ts';
import { pathKindSchema, pathViewSchema } from '../paths/view.ts';
import { postQuantumSchema } from '../psk/view.ts';
import { epochSchema, natSchema, revisionSchema } from '../../shared/network-map.ts';
import { hostStateSchema } from '../../shared/protocol.ts';
import { labelNameSchema, segmentNameSchema } from '../../shared/workload.ts';

const cursorSchema = z.strictObject({ epoch: epochSchema, revision: revisionSchema });

export const peerStatusSchema = peerReportSchema.extend({
  name: hostNameSchema,
  addresses: z.array(addressSchema),
  leases: z.array(cidrSchema),
  ...pathViewSchema.shape,
  /** In words; null where it is reached directly. */
  whyNotDirect: z.string().nullable(),
  /** Whether what is recorded today stays secret when quantum computers are there. */
  postQuantum: postQuantumSchema,
  /** What fits into the tunnel to it, bytes; null where that is the tunnel's own MTU. */
  mtu: z.int().nullable(),
  /** Seconds since the last handshake. */
  handshakeAgeSeconds: z.int().nullable(),
  isGone: z.boolean(),
});

export const statusSchema = z.strictObject({
  instance: instanceNameSchema,
  version: z.string(),
  hostId: hostIdSchema,
  name: hostNameSchema,
  /** `removed`: the server says that this host is no longer part of the mesh. */
  state: z.enum([...hostStateSchema.options, 'removed', 'unknown']),
  addresses: z.array(addressSchema),
  leases: z.array(cidrSchema),
  subnets: z.array(cidrSchema),
  interface: interfaceNameSchema,
  bridge: interfaceNameSchema,
  listenPort: z.int(),
  mtu: z.int().nullable(),
  publicKey: z.string(),
  backend: reportBodySchema.shape.backend.extend({ note: z.string().nullable() }),
  /** What is in the kernel; null before the first map. */
  applied: cursorSchema.nullable(),
  /** The newest map that came. */
  received: cursorSchema.nullable(),
  server: z.strictObject({
    url: z.string(),
    state: z.enum(['connected', 'connecting', 'waiting']),
    since: timeSchema.nullable(),
    retryAt: timeSchema.nullable(),
    error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  }),
  /** What this host looks like from outside; mappings that stay the same for all who look. */
  nat: natSchema,
  mappedEndpoints: z.array(endpointSchema),
  /** How many pairs have ports here; null where this host is no relay. */
  relay: z.strictObject({ pairs: z.int() }).nullable(),
  certificateExpiresAt: timeSchema.nullable(),
  peers: z.array(peerStatusSchema),
  attachments: z.array(attachmentReportSchema),
  /** The container engine; null where none answers. */
  engine: z.strictObject({ version: z.string(), network: z.string().nullable(), containers: z.int() }).nullable(),
  /** Null where no root is pinned; height 0 before any of its log came. */
  lock: z.strictObject({ root: lockHashSchema, height: z.int() }).nullable(),
  failures: z.array(failureSchema),
  /** All that came is applied without failure, and every peer that just joined has answered. */
  isReady: z.boolean(),
  /** Why it is not ready. */
  waitingFor: z.string().nullable(),
});
export type Status = z.infer<typeof statusSchema>;
export type PeerStatus = z.infer<typeof peerStatusSchema>;

export const attachBodySchema = attachRequestSchema.extend({
  /** Inside; eth0 on the lease, eth1 in a bridged segment where none is given. */
  interface: interfaceNameSchema.optional(),
});

/** Also what `warren attach` prints. */
export const attachedSchema = z.strictObject({
  target: z.string(),
  /** The first address, IPv4 where it has one; null where it has none, or none yet. */
  address: addressSchema.nullable(),
  /** Of its default route; null where that is somebody else's. */
  gateway: addressSchema.nullable(),
  interface: interfaceNameSchema,
  mtu: z.int(),
  addresses: z.array(addressSchema),
  gateways: z.array(addressSchema),
  /** Only in a bridged segment. */
  segment: segmentNameSchema.nullable(),
  /** That the host's end is in. */
  bridge: z.string(),
});
export type Attached = z.infer<typeof attachedSchema>;

export const detachRequestSchema = z.strictObject({
  target: z.string().max(300),
  /** Only this one of its interfaces. */
  interface: interfaceNameSchema.optional(),
  /** Only out of this segment. */
  segment: segmentNameSchema.optional(),
});

export const attachmentStatusSchema = attachmentReportSchema.extend({
  /** As it was asked for. */
  ...attachRequestSchema.shape,
  /** What it has, or will have. */
  addresses: z.array(addressSchema),
  /** `leaving`: detached, and not yet gone from its namespace. */
  state: z.enum(['attached', 'waiting', 'leaving']),
  attachedAt: timeSchema,
});
export const attachmentsReplySchema = z.strictObject({ items: z.array(attachmentStatusSchema) });
export type AttachmentStatus = z.infer<typeof attachmentStatusSchema>;

export const pingRequestSchema = z.strictObject({
  /** Name, id or address. */
  host: z.string().min(1).max(64),
  count: z.int().min(1).max(100),
});

export const pongSchema = z.strictObject({
  host: hostNameSchema,
  hostId: hostIdSchema,
  address: addressSchema,
  path: z.enum([...pathKindSchema.options, 'self']),
  /** The relay's name. */
  via: z.string().nullable(),
  endpoint: z.string().nullable(),
  sent: z.int(),
  received: z.int(),
  latencyMs: z.strictObject({ min: z.number(), average: z.number(), max: z.number() }).nullable(),
});
export type Pong = z.infer<typeof pongSchema>;

/** Who an interface made by CNI belongs to. */
export const cniOwnerSchema = z.strictObject({
  network: z.string().max(128),
  containerId: z.string().max(128),
  interface: interfaceNameSchema,
});

export const cniWishSchema = z.strictObject({
  owner: cniOwnerSchema,
  netns: z.string().max(256),
  /** Empty: the agent chooses. */
  addresses: z.array(addressSchema).max(2),
  mac: z.string().max(17).nullable(),
  name: labelNameSchema.nullable(),
  services: z.array(labelNameSchema).max(16),
  segment: segmentNameSchema.nullable(),
  isDefaultGateway: z.boolean(),
});
export type CniWishBody = z.infer<typeof cniWishSchema>;

const linkSchema = z.strictObject({ name: z.string(), mac: z.string() });
export const cniAddedSchema = z.strictObject({
  mtu: z.int(),
  mac: z.string(),
  host: linkSchema,
  bridge: linkSchema,
  /** With their prefix length. */
  addresses: z.array(z.strictObject({ address: z.string(), gateway: addressSchema })),
  /** What is reached through it. */
  routes: z.array(z.strictObject({ prefix: cidrSchema, gateway: addressSchema })),
});
export type CniAdded = z.infer<typeof cniAddedSchema>;

export const cniStateSchema = z.strictObject({
  isMember: z.boolean(),
  hasBridge: z.boolean(),
  entries: z.array(
    z.strictObject({ owner: cniOwnerSchema, netns: z.string(), addresses: z.array(addressSchema), mac: z.string() }),
  ),
});
export type CniState = z.infer<typeof cniStateSchema>;

export const leaveRequestSchema = z.strictObject({ isPurge: z.boolean() });
export const leftSchema = z.strictObject({
  hostId: z.string().nullable(),
  /** False when the server could not be told; a note says what to do then. */
  isServerTold: z.boolean(),
  isPurged: z.boolean(),
  /** What was left as it is, and why. */
  notes: z.array(z.string()),
});
export type Left = z.infer<typeof leftSchema>;

export const nothingSchema = z.strictObject({});

/** The calls, each a POST of one JSON object answered by one. */
export const localCalls = {
  status: { body: nothingSchema, reply: statusSchema },
  attach: { body: attachBodySchema, reply: attachedSchema },
  detach: { body: detachRequestSchema, reply: nothingSchema },
  attachments: { body: nothingSchema, reply: attachmentsReplySchema },
  cniadd: { body: cniWishSchema, reply: cniAddedSchema },
  cniremove: { body: cniOwnerSchema, reply: nothingSchema },
  cnistate: { body: nothingSchema, reply: cniStateSchema },
  ping: { body: pingRequestSchema, reply: pongSchema },
  netcheck: { body: nothingSchema, reply: netcheckSchema },
  names: { body: nothingSchema, reply: namesReplySchema },
  nameadd: {
    body: z.strictObject({ name: nameSchema, addresses: z.array(addressSchema).min(1).max(4) }),
    reply: namesReplySchema,
  },
  nameremove: { body: z.strictObject({ name: nameSchema }), reply: namesReplySchema },
  query: {
    body: z.strictObject({ name: nameSchema, type: z.string().regex(/^[A-Z]{1,10}$/) }),
    reply: queryReplySchema,
  },
  variables: {
    body: z.strictObject({ service: nameSchema, alias: nameSchema.optional(), reader: nameSchema.optional() }),
    reply: z.strictObject({ variables: z.array(z.string()) }),
  },
  docker: { body: nothingSchema, reply: dockerReplySchema },
  advertise: { body: dockerRequestSchema, reply: dockerReplySchema },
  unadvertise: { body: dockerRequestSchema, reply: dockerReplySchema },
  lockpin: { body: z.strictObject({ root: lockHashSchema, isReplacing: z.boolean() }), reply: nothingSchema },
  lockunpin: { body: nothingSchema, reply: nothingSchema },
  leave: { body: leaveRequestSchema, reply: leftSchema },
  reload: { body: nothingSchema, reply: nothingSchema },
} as const;

export type LocalCalls = typeof localCalls;
export type LocalCall = keyof LocalCalls;
export type LocalHandlers = {
  readonly [Name in LocalCall]: (
    body: z.output<LocalCalls[Name]['body']>,
  ) => Promise<z.output<LocalCalls[Name]['reply']>>;
};
