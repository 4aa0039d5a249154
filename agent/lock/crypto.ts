/** SHA-256 and Ed25519 (RFC 8032) by node:crypto, as `shared/lock/` wants them. */
import { createHash, createPublicKey, verify } from 'node:crypto';
import type { LockCrypto } from '../../shared/lock/log.ts';

export const lockCrypto: LockCrypto = {
  hash: (text) => createHash('sha256').update(text, 'utf8').digest('hex'),
  verify: (key, text, signature) => {
    const x = Buffer.from(key, 'base64').toString('base64url');
    const publicKey = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } });
    return verify(null, Buffer.from(text, 'utf8'), publicKey, Buffer.from(signature, 'base64'));
  },
};
