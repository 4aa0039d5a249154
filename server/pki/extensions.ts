/** X.509 v3 extensions (RFC 5280 section 4.2) of the three kinds of certificate Warren makes. */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import forge from 'node-forge';
import { type Family, addressBits, addressValue } from '../../shared/net/address.ts';

const { asn1 } = forge;
const { Class, Type } = asn1;
type Node = forge.asn1.Asn1;

export interface ExtensionSpec {
  readonly usage: 'authority' | 'server' | 'host';
  readonly spki: Buffer;
  readonly issuerSpki: Buffer;
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
}

export function encodeExtensions(spec: ExtensionSpec): Node {
  const isAuthority = spec.usage === 'authority';
  const all = [
    extension('2.5.29.19', true, basicConstraints(isAuthority)),
    extension('2.5.29.15', true, isAuthority ? keyUsage(1, 0x06) : keyUsage(7, 0x80)),
    extension('2.5.29.14', false, octets(keyIdentifier(spec.spki))),
    extension('2.5.29.35', false, sequence([context(0, keyIdentifier(spec.issuerSpki))])),
  ];
  if (!isAuthority) {
    all.push(extension('2.5.29.37', false, sequence([oid(extendedUsage[spec.usage])])));
    all.push(extension('2.5.29.17', false, alternativeNames(spec)));
  }
  return sequence(all);
}

/** id-kp-serverAuth and id-kp-clientAuth. */
const extendedUsage = { server: '1.3.6.1.5.5.7.3.1', host: '1.3.6.1.5.5.7.3.2' } as const;

const primitive = (type: forge.asn1.Type, bytes: string): Node => asn1.create(Class.UNIVERSAL, type, false, bytes);
const sequence = (children: Node[]): Node => asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, children);
const context = (tag: number, bytes: string): Node => asn1.create(Class.CONTEXT_SPECIFIC, tag, false, bytes);
const octets = (bytes: string): Node => primitive(Type.OCTETSTRING, bytes);
const oid = (dotted: string): Node => primitive(Type.OID, asn1.oidToDer(dotted).getBytes());
const yes = (): Node => primitive(Type.BOOLEAN, '\xff');

function extension(id: string, isCritical: boolean, value: Node): Node {
  const wrapped = octets(asn1.toDer(value).getBytes());
  return sequence(isCritical ? [oid(id), yes(), wrapped] : [oid(id), wrapped]);
}

/** An authority signs leaves only: path length 0. */
function basicConstraints(isAuthority: boolean): Node {
  return sequence(isAuthority ? [yes(), primitive(Type.INTEGER, '\0')] : []);
}

const keyUsage = (unusedBits: number, bits: number): Node =>
  primitive(Type.BITSTRING, String.fromCharCode(unusedBits, bits));

/** Method 1 of RFC 7093: the leftmost 160 bits of SHA-256 (here over the whole SubjectPublicKeyInfo). */
function keyIdentifier(spki: Buffer): string {
  return createHash('sha256').update(spki).digest().subarray(0, 20).toString('latin1');
}

function alternativeNames({ uris, dnsNames, addresses }: ExtensionSpec): Node {
  return sequence([
    ...uris.map((uri) => context(6, uri)),
    ...dnsNames.map((name) => context(2, name)),
    ...addresses.filter((address) => isIP(address) !== 0).map((address) => context(7, addressBytes(address))),
  ]);
}

function addressBytes(address: string): string {
  const { family, value } = addressValue(address);
  const digits = addressBits(family as Family) / 4;
  return forge.util.hexToBytes(value.toString(16).padStart(digits, '0'));
}
