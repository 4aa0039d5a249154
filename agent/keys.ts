/**
 * WireGuard keys, made on this host with node:crypto (X25519 raw, the same bytes as `wg genkey` and `wg pubkey`). The
 * private key goes to a 0600 file and from there to `wg`; nothing else ever sees it.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { WarrenError } from '../shared/errors.ts';
import { Secret } from '../shared/secret.ts';
import { type PublicKey, parsePublicKey } from '../shared/wireguard.ts';

export interface WireguardKeys {
  /** 32 bytes, clamped, base64. */
  readonly privateKey: Secret;
  readonly publicKey: PublicKey;
}

/** PKCS#8 of an X25519 private key up to its 32 raw bytes (RFC 8410). */
const pkcs8Head = Buffer.from('302e020100300506032b656e04220420', 'hex');

export function makeWireguardKeys(): WireguardKeys {
  const { privateKey } = generateKeyPairSync('x25519');
  const raw = privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(pkcs8Head.length);
  return keysOf(clamp(raw));
}

/** Throws `state-corrupt` unless `text` is a private key as `wg genkey` prints it. */
export function readWireguardKeys(text: string, path: string): WireguardKeys {
  const raw = Buffer.from(text.trim(), 'base64');
  if (raw.length !== 32 || raw.toString('base64') !== text.trim()) {
    throw new WarrenError(
      'state-corrupt',
      `${path} is not a WireGuard private key; restore it, or run 'warren leave --purge' and join again`,
    );
  }
  return keysOf(clamp(raw));
}

function keysOf(raw: Buffer): WireguardKeys {
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Head, raw]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return {
    privateKey: new Secret(raw.toString('base64')),
    publicKey: parsePublicKey(spki.subarray(-32).toString('base64')),
  };
}

/** Curve25519 clamping, as `wg genkey` writes it, so that what the kernel shows is what the file holds. */
function clamp(raw: Buffer): Buffer {
  const bytes = Buffer.from(raw);
  bytes[0] = (bytes[0] ?? 0) & 248;
  bytes[31] = ((bytes[31] ?? 0) & 127) | 64;
  return bytes;
}
