/**
 * Who is at the other end of a TLS stream between two hosts. Both show the certificate that they have for the server; it
 * allows to be a client alone, which OpenSSL would hold against a relay, so here is checked what counts instead: the
 * mesh's CA signed it, it is valid now, and it names the host. TLS itself proves that the key is there.
 */
import { X509Certificate } from 'node:crypto';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { type HostId, parseHostId } from '../../shared/names.ts';
import type { Credentials } from '../state.ts';

/** Told in the open; whoever is to pass it on need not guess. */
export const alpn = 'warren-relay/1';

/** For both ends. */
export const tlsContext = ({ key, certificate, ca }: Credentials): SecureContextOptions => ({
  key,
  cert: certificate,
  ca: [ca],
  minVersion: 'TLSv1.3',
});

/** The host at the other end of a stream that is secure; undefined for anybody else. `now`: ms since 1970. */
export function hostAt(socket: TLSSocket, { ca }: Pick<Credentials, 'ca'>, now: number): CertifiedHost | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined || socket.alpnProtocol !== alpn) return undefined;
  return readHost(certificate, new X509Certificate(ca), now);
}

export interface CertifiedHost {
  readonly id: HostId;
  /** When the certificate ends, ms since 1970. */
  readonly expiresAt: number;
}

export function readHost(certificate: X509Certificate, ca: X509Certificate, now: number): CertifiedHost | undefined {
  if (!certificate.checkIssued(ca) || !certificate.verify(ca.publicKey)) return undefined;
  const [from, expiresAt] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (!(from <= now && now < expiresAt)) return undefined;
  // Node quotes any name that could be mistaken for two.
  const uris = (certificate.subjectAltName ?? '').split(', ').filter((name) => name.startsWith('URI:'));
  const id = uris.length === 1 ? uris[0]?.slice(`URI:${hostUri}`.length) : undefined;
  if (id === undefined || uris[0] !== `URI:${hostUri}${id}`) return undefined;
  try {
    return { id: parseHostId(id), expiresAt };
  } catch {
    return undefined;
  }
}

const hostUri = 'urn:warren:host:';
