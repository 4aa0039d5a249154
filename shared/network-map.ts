/**
 * The network map: everything one host must know of its mesh. It is the same for every host of a mesh (a host finds
 * itself by its id), so the server serialises each host's record once and the full map once per revision.
 */
import { z } from 'zod';
import { lockHeadSchema } from './lock/log.ts';
import { hostIdSchema, hostNameSchema } from './names.ts';
import { addressSchema } from './net/address.ts';
import { cidrSchema } from './net/cidr.ts';
import { endpointSchema } from './net/endpoint.ts';
import { leaseSchema } from './net/lease.ts';
import { publicKeySchema } from './wireguard.ts';
import { domainNameSchema, parseDomainName, publicationSchema, segmentSchema, workloadsSchema } from './workload.ts';

export const weightSchema = z.int().min(0).max(65535).meta({ description: 'Lower is preferred; 10 by default' });

export const revisionSchema = z.int().min(0).meta({ description: 'Counts committed changes to the mesh' });

export const epochSchema = z
  .string()
  .regex(/^e[a-z2-7]{16}$/)
  .meta({ description: 'Identifies one history of revisions; a restored backup starts a new one' });

/** A prefix a host routes for besides its lease, approved by an operator. */
export const advertisedRouteSchema = z.strictObject({ prefix: cidrSchema, weight: weightSchema });
export type AdvertisedRoute = z.infer<typeof advertisedRouteSchema>;

/**
 * What stands between a host and the others, as its own questions found out: nothing, a NAT that gives one mapped
 * endpoint whoever is spoken to, or one that gives each peer another.
 */
export const natSchema = z.enum(['unknown', 'none', 'easy', 'symmetric']);
export type Nat = z.infer<typeof natSchema>;

/** What every host of the mesh knows of one host. */
export const hostRecordSchema = z.strictObject({
  id: hostIdSchema,
  name: hostNameSchema,
  publicKey: publicKeySchema,
  /** Overlay addresses, one per family, IPv4 first. */
  addresses: z.array(addressSchema).min(1).max(2),
  /** Container subnets leased to the host, one per family, IPv4 first. */
  leases: z.array(leaseSchema).max(2),
  /** Approved advertised subnets, whoever else advertises the same; `owners()` tells who carries each. */
  subnets: z.array(advertisedRouteSchema).max(256),
  /** Endpoint candidates, best first. */
  endpoints: z.array(endpointSchema).max(16),
  nat: natSchema.default('unknown'),
  /** True when an operator marked the host: it forwards ciphertext for pairs that cannot meet. */
  isRelay: z.boolean().default(false),
  /** TCP port, at the addresses of its endpoints, where a relay takes in hosts that no UDP packet reaches. */
  tlsPort: z.int().min(1).max(65535).optional(),
  /** True while the server finds the host gone; only then do its subnets move to another owner. */
  isGone: z.boolean(),
  /** What runs there, ordered by name. A map saved by an agent before 0.2 has none. */
  workloads: workloadsSchema.default([]),
});
export type HostRecord = z.infer<typeof hostRecordSchema>;

export const meshSettingsSchema = z.strictObject({
  /** Prefixes overlay addresses come from. */
  overlayPools: z.array(cidrSchema).min(1).max(32),
  /** Prefixes leases come from. */
  containerPools: z.array(cidrSchema).max(32),
  /** MTU of the tunnel on a 1500-byte underlay, bytes. An agent lowers it where its underlay is smaller. */
  mtu: z.int().min(1280).max(9000),
  /** WireGuard persistent keepalive, seconds; 0 is off. */
  keepaliveSeconds: z.int().min(0).max(3600),
  /** The DNS zone of the mesh. */
  domain: domainNameSchema.default(parseDomainName('warren.internal')),
  /** Ordered by id. */
  publications: z.array(publicationSchema).max(1024).default([]),
  /** Segments with properties of their own, ordered by name. */
  segments: z.array(segmentSchema).max(1024).default([]),
  /** Where the log of a locked mesh stands; not there in a mesh that is not locked. */
  lock: lockHeadSchema.optional(),
});
export type MeshSettings = z.infer<typeof meshSettingsSchema>;

export const networkMapSchema = z.strictObject({
  epoch: epochSchema,
  revision: revisionSchema,
  mesh: meshSettingsSchema,
  /** Active hosts, ordered by id. */
  hosts: z.array(hostRecordSchema),
});
export type NetworkMap = z.infer<typeof networkMapSchema>;
