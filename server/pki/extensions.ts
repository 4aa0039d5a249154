/** X.509 v3 extensions (RFC 5280 section 4.2) of the three kinds of certificate Warren makes. */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import forge from 'node-forge';
import { addressBits, addressValue } from '../../shared/net/address.ts';
import { type Node, bits, boolean, implicitTag, integer, octets, oid, sequence, writeDer } from './der.ts';

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
    extension('2.5.29.35', false, sequence([implicitTag(0, keyIdentifier(spec.issuerSpki))])),
  ];
  if (!isAuthority) {
    all.push(extension('2.5.29.37', false, sequence([oid(extendedUsage[spec.usage])])));
    all.push(extension('2.5.29.17', false, alternativeNames(spec)));
  }
  return sequence(all);
}

/** id-kp-serverAuth and id-kp-clientAuth. */
const extendedUsage = { server: '1.3.6.1.5.5.7.3.1', host: '1.3.6.1.5.5.7.3.2' } as const;

function extension(id: string, isCritical: boolean, value: Node): Node {
  const wrapped = octets(writeDer(value).toString('latin1'));
  return sequence(isCritical ? [oid(id), boolean(true), wrapped] : [oid(id), wrapped]);
}

/** An authority signs leaves only: path length 0. */
function basicConstraints(isAuthority: boolean): Node {
  return sequence(isAuthority ? [boolean(true), integer('00')] : []);
}

const keyUsage = (unusedBits: number, flags: number): Node => bits(Buffer.from([flags]), unusedBits);

/** Method 1 of RFC 7093: the leftmost 160 bits of SHA-256 (here over the whole SubjectPublicKeyInfo). */
function keyIdentifier(spki: Buffer): string {
  return createHash('sha256').update(spki).digest().subarray(0, 20).toString('latin1');
}

function alternativeNames({ uris, dnsNames, addresses }: ExtensionSpec): Node {
  return sequence([
    ...uris.map((uri) => implicitTag(6, uri)),
    ...dnsNames.map((name) => implicitTag(2, name)),
    ...addresses.filter((address) => isIP(address) !== 0).map((address) => implicitTag(7, addressBytes(address))),
  ]);
}

function addressBytes(address: string): string {
  const { family, value } = addressValue(address);
  const digits = addressBits(family) / 4;
  return forge.util.hexToBytes(value.toString(16).padStart(digits, '0'));
}
