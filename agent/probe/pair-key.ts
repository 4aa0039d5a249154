/**
 * The key that two hosts share for their probes: both can work it out of their own WireGuard key and the other's, nobody
 * else can, and it tells nothing of either. Worked out once per peer, when it is first needed.
 */
import { type KeyObject, createPrivateKey, createPublicKey, diffieHellman, hkdfSync } from 'node:crypto';
import type { Secret } from '../../shared/secret.ts';
import type { PublicKey } from '../../shared/wireguard.ts';

/** DER up to the 32 raw bytes of an X25519 key (RFC 8410). */
const pkcs8Head = Buffer.from('302e020100300506032b656e04220420', 'hex');
const spkiHead = Buffer.from('302a300506032b656e032100', 'hex');

/** What it is for: probes are signed with the one, the other goes into preshared keys. */
export type KeyLabel = 'warren probe 1' | 'warren mix 1';

/** 32 bytes per peer; undefined for a key that no host can hold. */
export function createPairKeys(
  own: Secret,
  label: KeyLabel = 'warren probe 1',
): (peer: PublicKey) => Buffer | undefined {
  const privateKey = createPrivateKey({
    key: Buffer.concat([pkcs8Head, Buffer.from(own.reveal(), 'base64')]),
    format: 'der',
    type: 'pkcs8',
  });
  const known = new Map<PublicKey, Buffer | undefined>();
  return (peer) => {
    if (!known.has(peer)) known.set(peer, pairKey(privateKey, peer, label));
    return known.get(peer);
  };
}

function pairKey(privateKey: KeyObject, peer: PublicKey, label: KeyLabel): Buffer | undefined {
  try {
    const publicKey = createPublicKey({
      key: Buffer.concat([spkiHead, Buffer.from(peer, 'base64')]),
      format: 'der',
      type: 'spki',
    });
    const shared = diffieHellman({ privateKey, publicKey });
    return Buffer.from(hkdfSync('sha256', shared, '', label, 32));
  } catch {
    return undefined;
  }
}
