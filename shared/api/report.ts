/** What an agent tells the server of its host. Only endpoints and liveness reach other hosts; the rest is status. */
import { z } from 'zod';
import { hostIdSchema } from '../names.ts';
import { addressSchema } from '../net/address.ts';
import { endpointSchema } from '../net/endpoint.ts';
import { advertisedRouteSchema, epochSchema, natSchema, revisionSchema } from '../network-map.ts';
import { workloadsSchema } from '../workload.ts';
import { operation, timeSchema } from './route.ts';

export const failureSchema = z.strictObject({
  /** What kind of thing failed: a step's kind or a refusal, for example `route-add` or `prefix-refused`. */
  kind: z.string().max(64),
  /** Which thing: a prefix, a host, an interface. */
  subject: z.string().max(128),
  /** Why, and what to do. */
  why: z.string().max(512),
  since: timeSchema,
});
export type Failure = z.infer<typeof failureSchema>;

export const peerReportSchema = z.strictObject({
  hostId: hostIdSchema,
  endpoint: endpointSchema.nullable(),
  handshakeAt: timeSchema.nullable(),
  rxBytes: z.int().min(0),
  txBytes: z.int().min(0),
});
export type PeerReport = z.infer<typeof peerReportSchema>;

export const attachmentReportSchema = z.strictObject({
  target: z.string().max(300),
  addresses: z.array(addressSchema).max(2),
  state: z.enum(['attached', 'waiting']),
});

export const listenPortSchema = z.int().min(1).max(65535);

export const reportBodySchema = z.strictObject({
  /** The revision that is in the kernel now; null before the first map. */
  applied: z.strictObject({ epoch: epochSchema, revision: revisionSchema }).nullable(),
  listenPort: listenPortSchema,
  /** Endpoints the operator named with `--endpoint`. */
  declaredEndpoints: z.array(endpointSchema).max(8),
  /** Endpoints made of the host's own addresses, best first. */
  localEndpoints: z.array(endpointSchema).max(16),
  /** Where others see the host's packets come from, best first; only those that stay the same for a while. */
  mappedEndpoints: z.array(endpointSchema).max(8).default([]),
  nat: natSchema.default('unknown'),
  /** TCP port where a relay listens for hosts that no UDP packet reaches; left out where it does not. */
  tlsPort: listenPortSchema.optional(),
  /** At most the 256 peers with the newest handshakes. */
  peers: z.array(peerReportSchema).max(256),
  failures: z.array(failureSchema).max(64),
  attachments: z.array(attachmentReportSchema).max(1024),
  /** What runs on the host and can be named; other hosts are told of it. */
  workloads: workloadsSchema,
  /** Prefixes the host would route for besides those it named when it joined; each waits for an operator. */
  advertise: z.array(advertisedRouteSchema).max(64),
  backend: z.strictObject({ kind: z.enum(['kernel', 'wireguard-go', 'none']), version: z.string().max(64) }),
  agentVersion: z.string().max(64),
});
export type ReportBody = z.infer<typeof reportBodySchema>;

export const sendReport = operation({
  id: 'agent.report',
  method: 'POST',
  path: '/agent/v1/report',
  access: 'agent',
  summary: 'Report the state of a host',
  body: reportBodySchema,
  reply: z.strictObject({ epoch: epochSchema, revision: revisionSchema }),
});
