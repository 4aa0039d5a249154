/**
 * What one set of keys signs: the server's own certificate and the hosts' client certificates. It decides nothing (who
 * gets a certificate is `enroll/`'s to say) and keeps no record of them (the store does).
 */
import { type KeyObject, X509Certificate, createPrivateKey, createPublicKey } from 'node:crypto';
import type { HostId } from '../../shared/names.ts';
import type { Clock } from '../deps.ts';
import { buildCertificate, newSerial, spkiOf, spkiPin } from './certificate.ts';
import { readCsr } from './csr.ts';
import type { Keyring } from './keyring.ts';
import { readFormers } from './succession.ts';

export interface ServerNames {
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
}

export interface ServerCredentials {
  /** Leaf first, then the CA's certificate and what it succeeded, so that a pin can be checked from the handshake. */
  readonly cert: string;
  readonly key: string;
  readonly expiresAt: number;
}

export interface HostCertificate {
  readonly pem: string;
  /** Lower-case hex. */
  readonly serial: string;
  /** SHA-256 of the host's SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiHash: string;
  /** Milliseconds since 1970, as `expiresAt`. */
  readonly notBefore: number;
  readonly expiresAt: number;
}

export interface HostCertificateSpec {
  readonly hostId: HostId;
  readonly csrPem: string;
  readonly now: number;
  /** Milliseconds; by default 7 days. */
  readonly lifetime?: number;
}

export interface Signer {
  readonly caPem: string;
  /** SHA-256 of the CA's SubjectPublicKeyInfo, base64. */
  readonly caPin: string;
  /** The same of the server's TLS key, which outlives its certificates; for `curl --pinnedpubkey`. */
  readonly serverPin: string;
  serverCredentials(names: ServerNames): ServerCredentials;
  /** Throws `csr-invalid`. */
  issueHostCertificate(spec: HostCertificateSpec): HostCertificate;
}

const day = 86_400_000;
export const hostCertificateLifetime = 7 * day;
export const serverCertificateLifetime = 90 * day;
/** Certificates start in the past, so that a client whose clock is a little behind can use them. */
export const backdate = 5 * 60_000;

export const serverUri = 'urn:warren:server';
export const hostUri = (id: HostId): string => `urn:warren:host:${id}`;

export function createSigner(keyring: Keyring, clock: Clock, random: (bytes: number) => Buffer): Signer {
  const ca = new X509Certificate(keyring.caPem);
  const caKey = createPrivateKey(keyring.caKeyPem);
  const caSpki = spkiOf(ca.publicKey);
  const serverSpki = spkiOf(createPublicKey(keyring.serverKeyPem));
  const issuer = ca.subject.replace(/^CN=/, '');
  const base = { issuer, issuerSpki: caSpki };
  // Later than any of the CA before, which had whole seconds too: so the time alone tells whose a certificate is.
  const [former] = readFormers(keyring.formerPem);
  const earliest = former === undefined ? 0 : former.succeededAt - backdate + 1000;
  return {
    caPem: keyring.caPem,
    caPin: spkiPin(caSpki),
    serverPin: spkiPin(serverSpki),
    serverCredentials({ dnsNames, addresses }) {
      const now = clock.now();
      const expiresAt = wholeSecond(now + serverCertificateLifetime);
      const leaf = buildCertificate(
        {
          ...base,
          serial: newSerial(random),
          subject: 'warren server',
          notBefore: now - day,
          notAfter: expiresAt,
          spki: serverSpki,
          usage: 'server',
          uris: [serverUri],
          dnsNames,
          addresses,
        },
        caKey,
      );
      return { cert: leaf + keyring.caPem + keyring.formerPem, key: keyring.serverKeyPem, expiresAt };
    },
    issueHostCertificate: (spec) => issueHostCertificate(spec, { ...base, earliest }, caKey, random),
  };
}

function issueHostCertificate(
  { hostId, csrPem, now, lifetime = hostCertificateLifetime }: HostCertificateSpec,
  { earliest, ...base }: { issuer: string; issuerSpki: Buffer; earliest: number },
  caKey: KeyObject,
  random: (bytes: number) => Buffer,
): HostCertificate {
  const { spki, spkiHash } = readCsr(csrPem);
  const serial = newSerial(random);
  const notBefore = Math.max(wholeSecond(now - backdate), earliest);
  const expiresAt = wholeSecond(now + lifetime);
  const uris = [hostUri(hostId)];
  const spec = { ...base, serial, subject: hostId, notBefore, notAfter: expiresAt, spki, uris };
  const pem = buildCertificate({ ...spec, usage: 'host', dnsNames: [], addresses: [] }, caKey);
  return { pem, serial, spkiHash, notBefore, expiresAt };
}

/** Certificates hold whole seconds; what we say of them must be what they hold. */
const wholeSecond = (at: number): number => Math.floor(at / 1000) * 1000;
