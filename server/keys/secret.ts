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

/** `wrn_<id>_<secret>`: what a person or a program is given. */
export function formatKey(id: string, secret: Secret): Secret {
  return new Secret(`wrn_${id}_${secret.reveal()}`);
}

/** Undefined for any other text. */
export function parseKey(text: string): { id: string; secret: Secret } | undefined {
  const [, id, secret] = /^wrn_(k[a-z2-7]{16})_([A-Za-z0-9_-]{43})$/.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret: new Secret(secret) };
}

const nobody = Buffer.alloc(32);
