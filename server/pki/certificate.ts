/**
 * Builds X.509 certificates (RFC 5280) as DER. node-forge is the DER writer and nothing more: it knows RSA only, so keys
 * and signatures come from node:crypto, and nothing here is ever verified by forge.
 */
import { type KeyObject, createHash, sign } from 'node:crypto';
import forge from 'node-forge';
import { encodeExtensions } from './extensions.ts';

const { asn1 } = forge;
const { Class, Type } = asn1;
type Node = forge.asn1.Asn1;

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
    asn1.create(Class.CONTEXT_SPECIFIC, 0, true, [integer('02')]),
    integer(spec.serial),
    signatureAlgorithm(),
    name(spec.issuer),
    sequence([time(spec.notBefore), time(spec.notAfter)]),
    name(spec.subject),
    readDer(spec.spki),
    asn1.create(Class.CONTEXT_SPECIFIC, 3, true, [encodeExtensions(spec)]),
  ]);
  const signature = sign('sha256', writeDer(tbs), issuerKey);
  const certificate = sequence([tbs, signatureAlgorithm(), primitive(Type.BITSTRING, `\0${binary(signature)}`)]);
  return toPem('CERTIFICATE', writeDer(certificate));
}

/** Parses DER strictly; depth and length are bounded by forge. Throws forge's own error on anything else. */
export function readDer(der: Buffer): Node {
  // Without decodeBitStrings:false forge parses ECDSA signatures and keys as nested DER and writes them back changed.
  const options = { strict: true, parseAllBytes: true, decodeBitStrings: false };
  return asn1.fromDer(binary(der), options as unknown as boolean);
}

export function writeDer(node: Node): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'binary');
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

const binary = (bytes: Buffer): string => bytes.toString('latin1');
const primitive = (type: forge.asn1.Type, bytes: string): Node => asn1.create(Class.UNIVERSAL, type, false, bytes);
const sequence = (children: Node[]): Node => asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, children);
const integer = (hex: string): Node => primitive(Type.INTEGER, forge.util.hexToBytes(hex));
const oid = (dotted: string): Node => primitive(Type.OID, asn1.oidToDer(dotted).getBytes());

/** ecdsa-with-SHA256, without parameters (RFC 5758 section 3.2). */
const signatureAlgorithm = (): Node => sequence([oid('1.2.840.10045.4.3.2')]);

/** A name of one common name, which nobody reads for identity: that is in the SAN. */
function name(commonName: string): Node {
  const attribute = sequence([oid('2.5.4.3'), primitive(Type.UTF8, forge.util.encodeUtf8(commonName))]);
  return sequence([asn1.create(Class.UNIVERSAL, Type.SET, true, [attribute])]);
}

/** UTCTime through 2049, GeneralizedTime after it (RFC 5280 section 4.1.2.5). */
function time(at: number): Node {
  const date = new Date(at);
  return date.getUTCFullYear() < 2050
    ? primitive(Type.UTCTIME, asn1.dateToUtcTime(date))
    : primitive(Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date));
}
