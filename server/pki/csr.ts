/**
 * Reads certificate requests (PKCS#10, RFC 2986). Only the key counts: subject and attributes of a request are what a
 * stranger wishes for and are never looked at. The signature proves that the sender holds the private key.
 */
import { type KeyObject, createHash, createPublicKey, verify } from 'node:crypto';
import { WarrenError } from '../../shared/errors.ts';
import { type Node, oidText, readDer, writeDer } from './der.ts';

export interface CertificateRequest {
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiHash: string;
  readonly publicKeyPem: string;
  readonly spki: Buffer;
}

const maxChars = 8192;
const spkiBytes = { ec: 91, ed25519: 44 } as const;
const signatureOids = { ec: '1.2.840.10045.4.3.2', ed25519: '1.3.101.112' } as const;

/** Throws `csr-invalid` unless `pem` is one request for a P-256 or Ed25519 key, signed with that key. */
export function readCsr(pem: string): CertificateRequest {
  const parts = splitRequest(readPem(pem));
  const key = readKey(parts.spki);
  const kind = keyKind(key);
  // One spelling per key, because a host is known by the hash of it: no compressed points, no explicit curves.
  if (parts.spki.length !== spkiBytes[kind]) throw invalid('write its public key as an uncompressed point');
  if (parts.algorithm !== signatureOids[kind]) {
    throw invalid('sign it with ecdsa-with-SHA256 for a P-256 key, or Ed25519');
  }
  if (!isSigned(kind, parts.info, key, parts.signature)) throw invalid('its signature does not match its key');
  return {
    spkiHash: createHash('sha256').update(parts.spki).digest('hex'),
    publicKeyPem: key.export({ type: 'spki', format: 'pem' }).toString(),
    spki: parts.spki,
  };
}

function readPem(pem: string): Buffer {
  if (pem.length > maxChars) throw invalid(`it is longer than ${maxChars} characters`);
  const match =
    /^-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END (?:NEW )?CERTIFICATE REQUEST-----\s*$/.exec(
      pem,
    );
  if (match === null) throw invalid('give one PKCS#10 request as PEM');
  return Buffer.from(match[1] ?? '', 'base64');
}

interface RequestParts {
  /** DER of the signed part. */
  info: Buffer;
  spki: Buffer;
  algorithm: string;
  signature: Buffer;
}

function splitRequest(der: Buffer): RequestParts {
  try {
    const [info, algorithm, signature] = children(readDer(der), 3);
    const [, , spki] = children(info, 4);
    return {
      info: writeDer(defined(info)),
      spki: writeDer(defined(spki)),
      algorithm: oidText(defined(children(algorithm, 1)[0])),
      // The first octet of a BIT STRING counts unused bits; a signature has none.
      signature: bytes(signature).subarray(1),
    };
  } catch (cause) {
    if (cause instanceof WarrenError) throw cause;
    throw invalid('it is not DER of a PKCS#10 request', cause);
  }
}

function readKey(spki: Buffer): KeyObject {
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch (cause) {
    throw invalid('its public key cannot be read', cause);
  }
}

function keyKind(key: KeyObject): 'ec' | 'ed25519' {
  if (key.asymmetricKeyType === 'ed25519') return 'ed25519';
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ec';
  throw invalid('its key must be P-256 or Ed25519');
}

function isSigned(kind: 'ec' | 'ed25519', data: Buffer, key: KeyObject, signature: Buffer): boolean {
  return verify(kind === 'ec' ? 'sha256' : null, data, key, signature);
}

function children(node: Node | undefined, atLeast: number): Node[] {
  const value = defined(node).value;
  if (!Array.isArray(value) || value.length < atLeast) throw invalid('a part of it is missing');
  return value;
}

function bytes(node: Node | undefined): Buffer {
  const value = defined(node).value;
  if (typeof value !== 'string') throw invalid('a part of it has the wrong type');
  return Buffer.from(value, 'latin1');
}

function defined<T>(value: T | undefined): T {
  if (value === undefined) throw invalid('a part of it is missing');
  return value;
}

function invalid(why: string, cause?: unknown): WarrenError {
  return new WarrenError('csr-invalid', `the certificate request is not acceptable: ${why}`, { cause, field: 'csr' });
}
