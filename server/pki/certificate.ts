/**
 * Builds X.509 certificates (RFC 5280) as DER. node-forge is the DER writer and nothing more: it knows RSA only, so keys
 * and signatures come from node:crypto, and nothing here is ever verified by forge.
 */
import { type KeyObject, createHash, sign } from 'node:crypto';
import { type Node, bits, explicitTag, integer, oid, readDer, sequence, setOf, time, utf8, writeDer } from './der.ts';
import { encodeExtensions } from './extensions.ts';

export interface CertificateSpec {
  /** Hex; the caller took care that it is positive and has no leading zero byte. */
  readonly serial: string;
  readonly issuer: string;
  readonly subject: string;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** DER of the SubjectPublicKeyInfo. */
  readonly spki: Buffer;
  readonly issuerSpki: Buffer;
  readonly usage: 'authority' | 'server' | 'host';
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
}

/** PEM of a certificate signed with the P-256 key `issuerKey`. */
export function buildCertificate(spec: CertificateSpec, issuerKey: KeyObject): string {
  const tbs = sequence([
    explicitTag(0, [integer('02')]),
    integer(spec.serial),
    signatureAlgorithm(),
    name(spec.issuer),
    sequence([time(spec.notBefore), time(spec.notAfter)]),
    name(spec.subject),
    readDer(spec.spki),
    explicitTag(3, [encodeExtensions(spec)]),
  ]);
  const signature = sign('sha256', writeDer(tbs), issuerKey);
  const certificate = sequence([tbs, signatureAlgorithm(), bits(signature)]);
  return toPem('CERTIFICATE', writeDer(certificate));
}

export function toPem(label: string, der: Buffer): string {
  const lines = der.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

/** SHA-256 of a SubjectPublicKeyInfo, base64: what tokens pin and `curl --pinnedpubkey sha256//` takes. */
export function spkiPin(spki: Buffer): string {
  return createHash('sha256').update(spki).digest('base64');
}

export function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

/** 126 random bits: never negative and never with a leading zero byte, which some parsers refuse. */
export function newSerial(random: (bytes: number) => Buffer): string {
  const bytes = random(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

/** ecdsa-with-SHA256, without parameters (RFC 5758 section 3.2). */
const signatureAlgorithm = (): Node => sequence([oid('1.2.840.10045.4.3.2')]);

/** A name of one common name, which nobody reads for identity: that is in the SAN. */
function name(commonName: string): Node {
  return sequence([setOf([sequence([oid('2.5.4.3'), utf8(commonName)])])]);
}
