/**
 * WireGuard public keys: 32 bytes in base64, canonical (RFC 4648 section 4, padding, no stray bits). The all-zero key
 * and the other low-order points of Curve25519 are refused, because `wg set` takes them and no host can hold them.
 */
import { WarrenError } from './errors.ts';
import { grammar } from './grammar.ts';
import { printable } from './net/address.ts';

declare const brand: unique symbol;
export type PublicKey = string & { readonly [brand]: 'PublicKey' };

/** Throws `public-key-invalid` unless `text` is a usable public key. */
export function parsePublicKey(text: string): PublicKey {
  if (!/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(text)) {
    throw invalid(text, 'give the 44 characters that `wg pubkey` prints');
  }
  if (lowOrder.has(hex(text))) throw invalid(text, 'this point has a low order; make a new key with `wg genkey`');
  return text as PublicKey;
}

export const publicKeySchema = grammar(parsePublicKey, {
  description: 'WireGuard public key, base64 of 32 bytes',
  example: 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=',
  maxLength: 44,
});

/** The low-order points, little endian hex with the top bit cleared (https://cr.yp.to/ecdh.html#validate). */
const lowOrder: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

function hex(key: string): string {
  const bytes = Uint8Array.from(atob(key), (char) => char.charCodeAt(0));
  bytes[31] = (bytes[31] ?? 0) & 0x7f;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function invalid(text: string, remedy: string): WarrenError {
  return new WarrenError('public-key-invalid', `'${printable(text)}' is not a WireGuard public key; ${remedy}`);
}
