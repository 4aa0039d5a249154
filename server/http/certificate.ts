/**
 * Reads the identity in a client certificate. Everything that depends on time or on the store is left to `auth.ts`, which
 * asks on every request: a kept-alive connection outlives both the certificate and the host.
 */
import type { TLSSocket } from 'node:tls';
import { type HostId, hostIdSchema } from '../../shared/names.ts';
import type { Authority } from '../pki/authority.ts';

export type Presented =
  | { readonly kind: 'none' }
  | { readonly kind: 'refused'; readonly why: string }
  | {
      readonly kind: 'host';
      readonly hostId: HostId;
      /** Lower-case hex. */
      readonly serial: string;
      readonly notBefore: number;
      readonly notAfter: number;
    };

const clientAuth = '1.3.6.1.5.5.7.3.2';
const known = new WeakMap<TLSSocket, Presented>();

/** What the peer proved in the handshake; read once per connection. */
export function presentedBy(socket: TLSSocket, authority: Authority): Presented {
  const before = known.get(socket);
  if (before !== undefined) return before;
  const presented = readPresented(socket, authority);
  known.set(socket, presented);
  return presented;
}

function readPresented(socket: TLSSocket, authority: Authority): Presented {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { kind: 'none' };
  // `authorized` says that our CA, the only one the listener trusts, signed it and that it is in force; without that the
  // reason does not tell enough: an expired certificate of a stranger is reported as expired, not as a stranger's.
  if (!socket.authorized && !authority.hasSigned(certificate))
    return refused('it was not issued by the CA of this mesh');
  if (!(certificate.keyUsage ?? []).includes(clientAuth)) return refused('it is not a client certificate');
  const match = /^URI:urn:warren:host:([a-z2-7]+)$/.exec(certificate.subjectAltName ?? '');
  const hostId = hostIdSchema.safeParse(match?.[1]);
  if (!hostId.success) return refused('it does not name a host');
  return {
    kind: 'host',
    hostId: hostId.data,
    serial: certificate.serialNumber.toLowerCase(),
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
  };
}

const refused = (why: string): Presented => ({ kind: 'refused', why });
