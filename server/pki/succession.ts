/**
 * How one CA follows another. The old key signs a certificate for the new one's and is thrown away: whoever trusts the old
 * CA can check that the new one is its successor, without being told by anybody else, also long after. OpenSSL does
 * not take it for a chain (a CA of Warren signs leaves only); `agent/server-ca.ts` follows it.
 */
import { type KeyObject, X509Certificate, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { WarrenError } from '../../shared/errors.ts';
import { type CertificateSpec, buildCertificate, newSerial, spkiOf, spkiPin } from './certificate.ts';
import type { Keyring } from './keyring.ts';

export interface FormerCa {
  readonly pem: string;
  readonly pin: string;
  /** Milliseconds since 1970, whole seconds: who got a certificate earlier has one of this CA. */
  readonly succeededAt: number;
}

const day = 86_400_000;
const lifetime = 20 * 365 * day;
/** Each adds two certificates to every handshake. */
const maxFormers = 3;

/** A CA with a new key. */
export function createCa(now: number, random: (bytes: number) => Buffer): { pem: string; key: KeyObject } {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const spki = spkiOf(createPublicKey(key));
  const subject = `Warren CA ${random(4).toString('hex')}`;
  const names = { issuer: subject, subject, spki, issuerSpki: spki };
  const times = { notBefore: now - day, notAfter: now + lifetime };
  return { pem: buildCertificate({ ...authority, ...names, ...times, serial: newSerial(random) }, key), key };
}

/** The keys with a new CA in front of the old one. Throws `conflict` while too many former ones are not retired. */
export function succeed(old: Keyring, now: number, random: (bytes: number) => Buffer): Keyring {
  if (readFormers(old.formerPem).length >= maxFormers) {
    throw new WarrenError('conflict', `${maxFormers} former CAs are valid still; retire them with 'warren ca retire'`);
  }
  const { pem, key } = createCa(now, random);
  const [before, after] = [new X509Certificate(old.caPem), new X509Certificate(pem)];
  const proof = buildCertificate(
    {
      ...authority,
      serial: newSerial(random),
      issuer: nameOf(before),
      subject: nameOf(after),
      notBefore: now,
      notAfter: now + lifetime,
      spki: spkiOf(after.publicKey),
      issuerSpki: spkiOf(before.publicKey),
    },
    createPrivateKey(old.caKeyPem),
  );
  return { ...old, caPem: pem, caKeyPem: privatePem(key), formerPem: proof + old.caPem + old.formerPem };
}

/** From pairs of a proof and the CA that signed it, newest first. Throws where it is not that. */
export function readFormers(formerPem: string): FormerCa[] {
  const all = splitPem(formerPem);
  if (all.length % 2 !== 0) throw new Error('a former CA lacks its proof');
  return all.flatMap((pem, i) => {
    if (i % 2 === 0) return [];
    const [proof, ca] = [new X509Certificate(all[i - 1] ?? ''), new X509Certificate(pem)];
    if (!proof.checkIssued(ca) || !proof.verify(ca.publicKey))
      throw new Error('a former CA did not sign its successor');
    return [{ pem, pin: spkiPin(spkiOf(ca.publicKey)), succeededAt: Date.parse(proof.validFrom) }];
  });
}

export const privatePem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

const authority = {
  usage: 'authority',
  uris: [],
  dnsNames: [],
  addresses: [],
} as const satisfies Partial<CertificateSpec>;

const nameOf = (certificate: X509Certificate): string => certificate.subject.replace(/^CN=/, '');

const splitPem = (text: string): string[] =>
  text.split(/(?<=-----END CERTIFICATE-----\n)/).filter((part) => part.trim() !== '');
