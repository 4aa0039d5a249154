/** The few DER forms that certificates are made of, over node-forge's ASN.1 writer. */
import forge from 'node-forge';

const { asn1 } = forge;
const { Class, Type } = asn1;

export type Node = forge.asn1.Asn1;

/** forge types a tag as its enum of universal types, though a tag of another class is any number. */
const create: (tagClass: number, tag: number, isConstructed: boolean, value: string | Node[]) => Node = asn1.create;

export const primitive = (type: number, bytes: string): Node => create(Class.UNIVERSAL, type, false, bytes);
export const sequence = (children: Node[]): Node => create(Class.UNIVERSAL, Type.SEQUENCE, true, children);
export const setOf = (children: Node[]): Node => create(Class.UNIVERSAL, Type.SET, true, children);
export const integer = (hex: string): Node => primitive(Type.INTEGER, forge.util.hexToBytes(hex));
export const oid = (dotted: string): Node => primitive(Type.OID, asn1.oidToDer(dotted).getBytes());
export const octets = (bytes: string): Node => primitive(Type.OCTETSTRING, bytes);
export const utf8 = (text: string): Node => primitive(Type.UTF8, forge.util.encodeUtf8(text));
export const boolean = (isTrue: boolean): Node => primitive(Type.BOOLEAN, isTrue ? '\xff' : '\0');

export function bits(bytes: Buffer, unusedBits = 0): Node {
  return primitive(Type.BITSTRING, String.fromCharCode(unusedBits) + bytes.toString('latin1'));
}

/** A context-specific tag around children, or in place of a primitive's own tag. */
export const explicitTag = (tag: number, children: Node[]): Node => create(Class.CONTEXT_SPECIFIC, tag, true, children);
export const implicitTag = (tag: number, bytes: string): Node => create(Class.CONTEXT_SPECIFIC, tag, false, bytes);

/** UTCTime through 2049, GeneralizedTime after it (RFC 5280 section 4.1.2.5). */
export function time(at: number): Node {
  const date = new Date(at);
  return date.getUTCFullYear() < 2050
    ? primitive(Type.UTCTIME, asn1.dateToUtcTime(date))
    : primitive(Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date));
}

/** Parses DER strictly; depth and length are bounded by forge. Throws forge's own error on anything else. */
export function readDer(der: Buffer): Node {
  // Without decodeBitStrings:false forge parses ECDSA signatures and keys as nested DER and writes them back changed.
  const options = { strict: true, parseAllBytes: true, decodeBitStrings: false };
  return asn1.fromDer(der.toString('latin1'), options as unknown as boolean);
}

export function writeDer(node: Node): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'latin1');
}

export function oidText(node: Node): string {
  return typeof node.value === 'string' ? asn1.derToOid(node.value) : '';
}
