/** How a machine becomes a host and stays one: enrollment by token and CSR, renewal by client certificate. */
import { z } from 'zod';
import { hostIdSchema, hostNameSchema } from '../names.ts';
import { endpointSchema } from '../net/endpoint.ts';
import { advertisedRouteSchema } from '../network-map.ts';
import { hostStateSchema } from '../protocol.ts';
import { tokenIdSchema, tokenSecretSchema } from '../token.ts';
import { publicKeySchema } from '../wireguard.ts';
import { listenPortSchema } from './report.ts';
import { operation, timeSchema } from './route.ts';

export const pemSchema = z
  .string()
  .max(8192)
  .regex(/^-----BEGIN [A-Z ]+-----\r?\n/, { error: 'give PEM text' });

export const certificateReplySchema = z.strictObject({
  /** Client certificate, PEM. */
  certificate: z.string(),
  expiresAt: timeSchema,
});

export const enrollHost = operation({
  id: 'host.enroll',
  method: 'POST',
  path: '/agent/v1/enroll',
  access: 'enroll',
  summary: 'Enroll a machine with a token; the same CSR key again gives the same host',
  body: z.strictObject({
    tokenId: tokenIdSchema,
    tokenSecret: tokenSecretSchema,
    name: hostNameSchema,
    publicKey: publicKeySchema,
    /** PKCS#10, PEM, signed by the host's identity key (P-256 or Ed25519). */
    csr: pemSchema,
    listenPort: listenPortSchema,
    declaredEndpoints: z.array(endpointSchema).max(8).default([]),
    localEndpoints: z.array(endpointSchema).max(16).default([]),
    advertise: z.array(advertisedRouteSchema).max(64).default([]),
    agentVersion: z.string().max(64),
  }),
  reply: certificateReplySchema.extend({
    hostId: hostIdSchema,
    name: hostNameSchema,
    state: hostStateSchema,
  }),
  status: 201,
});

export const renewCertificate = operation({
  id: 'host.renew',
  method: 'POST',
  path: '/agent/v1/renew',
  access: 'agent',
  summary: 'Renew the client certificate, and replace the WireGuard key where asked',
  body: z.strictObject({ csr: pemSchema, publicKey: publicKeySchema }),
  reply: certificateReplySchema,
});

/** The agent un-enrolls its own host (`warren leave`). */
export const leaveMesh = operation({
  id: 'host.leave',
  method: 'POST',
  path: '/agent/v1/leave',
  access: 'agent',
  summary: 'Leave the mesh: the host is removed as an admin would remove it',
});
