/**
 * The mesh's certificate authority: one P-256 key that signs the server's own certificate and the hosts' client
 * certificates. The only place that signs; it decides nothing (who gets a certificate is `enroll/`'s to say) and keeps
 * no record of them (the store does).
 */
import { type KeyObject, X509Certificate, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { HostId } from '../../shared/names.ts';
import type { Clock } from '../deps.ts';
import { buildCertificate, spkiOf, spkiPin } from './certificate.ts';
import { type CertificateRequest, readCsr } from './csr.ts';
import { type Keyring, type KeyringStore, loadOrCreateKeys } from './keyring.ts';

export interface ServerNames {
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
}

export interface ServerCredentials {
  /** Leaf first, then the CA's certificate, so that who joins can check the CA's pin from the handshake. */
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

export interface Authority {
  readonly caPem: string;
  /** SHA-256 of the CA's SubjectPublicKeyInfo, base64. */
  readonly caPin: string;
  /** The same of the server's TLS key, which outlives its certificates; for `curl --pinnedpubkey`. */
  readonly serverPin: string;
  serverCredentials(names: ServerNames): ServerCredentials;
  /** Throws `csr-invalid`. */
  issueHostCertificate(spec: HostCertificateSpec): HostCertificate;
  /** Throws `csr-invalid`. */
  readCsr(pem: string): CertificateRequest;
  /** True when the CA's own key signed it; says nothing of time or revocation. */
  hasSigned(certificate: X509Certificate): boolean;
}

const day = 86_400_000;
export const hostCertificateLifetime = 7 * day;
export const serverCertificateLifetime = 90 * day;
/** Certificates start in the past, so that a client whose clock is a little behind can use them. */
const backdate = 5 * 60_000;

export const serverUri = 'urn:warren:server';
export const hostUri = (id: HostId): string => `urn:warren:host:${id}`;

export interface AuthorityOptions {
  readonly keys: KeyringStore;
  readonly clock: Clock;
  readonly random: (bytes: number) => Buffer;
}

/** Throws `state-corrupt` when a part of the keys is missing or does not belong to the rest. */
export async function loadOrCreateAuthority({ keys, clock, random }: AuthorityOptions): Promise<Authority> {
  const keyring = await loadOrCreateKeys(keys, () => createKeys(clock.now(), random));
  return createAuthority(keyring, clock, random);
}

function createKeys(now: number, random: (bytes: number) => Buffer): Keyring {
  const caKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const serverKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const spki = spkiOf(createPublicKey(caKey));
  const subject = `Warren CA ${random(4).toString('hex')}`;
  const caPem = buildCertificate(
    {
      serial: newSerial(random),
      issuer: subject,
      subject,
      notBefore: now - day,
      notAfter: now + 20 * 365 * day,
      spki,
      issuerSpki: spki,
      usage: 'authority',
      uris: [],
      dnsNames: [],
      addresses: [],
    },
    caKey,
  );
  return { caPem, caKeyPem: privatePem(caKey), serverKeyPem: privatePem(serverKey) };
}

function createAuthority(keyring: Keyring, clock: Clock, random: (bytes: number) => Buffer): Authority {
  const ca = new X509Certificate(keyring.caPem);
  const caKey = createPrivateKey(keyring.caKeyPem);
  const caSpki = spkiOf(ca.publicKey);
  const serverSpki = spkiOf(createPublicKey(keyring.serverKeyPem));
  const issuer = ca.subject.replace(/^CN=/, '');
  const base = { issuer, issuerSpki: caSpki };
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
      return { cert: leaf + keyring.caPem, key: keyring.serverKeyPem, expiresAt };
    },
    issueHostCertificate: (spec) => issueHostCertificate(spec, base, caKey, random),
    readCsr,
    hasSigned: (certificate) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey),
  };
}

function issueHostCertificate(
  { hostId, csrPem, now, lifetime = hostCertificateLifetime }: HostCertificateSpec,
  base: { issuer: string; issuerSpki: Buffer },
  caKey: KeyObject,
  random: (bytes: number) => Buffer,
): HostCertificate {
  const { spki, spkiHash } = readCsr(csrPem);
  const serial = newSerial(random);
  const notBefore = wholeSecond(now - backdate);
  const expiresAt = wholeSecond(now + lifetime);
  const uris = [hostUri(hostId)];
  const spec = { ...base, serial, subject: hostId, notBefore, notAfter: expiresAt, spki, uris };
  const pem = buildCertificate({ ...spec, usage: 'host', dnsNames: [], addresses: [] }, caKey);
  return { pem, serial, spkiHash, notBefore, expiresAt };
}

/** 126 random bits: never negative and never with a leading zero byte, which some parsers refuse. */
function newSerial(random: (bytes: number) => Buffer): string {
  const bytes = random(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

/** Certificates hold whole seconds; what we say of them must be what they hold. */
const wholeSecond = (at: number): number => Math.floor(at / 1000) * 1000;

const privatePem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
