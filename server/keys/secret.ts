/**
 * Secrets that the server hands out once and keeps the hash of: those of API keys and enrollment tokens. They are 256
 * random bits, so a plain SHA-256 is enough: there is nothing to guess and no salt to gain from.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { Secret } from '../../shared/secret.ts';

export function makeSecret(random: (bytes: number) => Buffer): Secret {
  return new Secret(random(32).toString('base64url'));
}

export function hashSecret(secret: Secret): Buffer {
  return createHash('sha256').update(secret.reveal()).digest();
}

/** Compares in constant time. Without a hash it takes as long and is false. */
export function isSecretOf(hash: Buffer | undefined, secret: Secret): boolean {
  return timingSafeEqual(hash ?? nobody, hashSecret(secret)) && hash !== undefined;
}

const nobody = Buffer.alloc(32);
