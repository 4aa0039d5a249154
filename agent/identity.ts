/**
 * The host's identity towards the server: a P-256 key made here, and the certificate request it signs. node:crypto makes
 * key and signature; node-forge only writes the DER around them (it knows no elliptic curves).
 */
import { X509Certificate, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import type forge from 'node-forge';
import { WarrenError } from '../shared/errors.ts';

/** A new P-256 private key, PKCS#8 PEM. */
export function makeIdentityKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Throws `state-corrupt` unless `pem` is a P-256 private key. */
export function checkIdentityKey(pem: string, path: string): void {
  try {
    if (createPrivateKey(pem).asymmetricKeyDetails?.namedCurve === 'prime256v1') return;
  } catch (cause) {
    throw damaged(path, cause);
  }
  throw damaged(path);
}

/** Throws `state-corrupt` unless `pem` is a certificate. */
export function readCertificate(pem: string, path: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new WarrenError(
      'state-corrupt',
      `${path} is not a certificate; run 'warren join TOKEN' again, the host stays the same`,
      { cause },
    );
  }
}

/** PKCS#10 (RFC 2986), PEM. The server takes the host's id from its own records; the subject is for people. */
export async function makeCsr(keyPem: string, commonName: string): Promise<string> {
  // Loaded when needed: an agent makes a request once in days, and forge costs memory all the time.
  const { asn1 } = (await import('node-forge')).default;
  const { Class, Type } = asn1;
  const node = (type: forge.asn1.Type, value: string | Asn1[]): Asn1 =>
    asn1.create(Class.UNIVERSAL, type, Array.isArray(value), value);
  type Asn1 = ReturnType<typeof asn1.create>;
  const oid = (text: string): Asn1 => node(Type.OID, asn1.oidToDer(text).getBytes());

  const key = createPrivateKey(keyPem);
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('latin1');
  const name = node(Type.SEQUENCE, [
    node(Type.SET, [node(Type.SEQUENCE, [oid('2.5.4.3'), node(Type.UTF8, commonName)])]),
  ]);
  const info = node(Type.SEQUENCE, [
    node(Type.INTEGER, '\0'),
    name,
    readDer(asn1.fromDer, spki),
    asn1.create(Class.CONTEXT_SPECIFIC, Type.NONE, true, []),
  ]);
  const signed = Buffer.from(asn1.toDer(info).getBytes(), 'latin1');
  const signature = sign('sha256', signed, key).toString('latin1');
  const ecdsaWithSha256 = node(Type.SEQUENCE, [oid('1.2.840.10045.4.3.2')]);
  const csr = node(Type.SEQUENCE, [info, ecdsaWithSha256, node(Type.BITSTRING, `\0${signature}`)]);
  return pem('CERTIFICATE REQUEST', Buffer.from(asn1.toDer(csr).getBytes(), 'latin1'));
}

/** Without `decodeBitStrings: false` forge would take a key apart that it cannot put together again; its types lack it. */
function readDer<Node>(fromDer: (der: string, strict?: boolean) => Node, der: string): Node {
  const read = fromDer as unknown as (der: string, options: Readonly<Record<string, boolean>>) => Node;
  return read(der, { strict: true, parseAllBytes: true, decodeBitStrings: false });
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function damaged(path: string, cause?: unknown): WarrenError {
  return new WarrenError(
    'state-corrupt',
    `${path} is not a P-256 private key; restore it, or run 'warren leave --purge' and join again`,
    { cause },
  );
}
