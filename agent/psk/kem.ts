/**
 * Two hosts come to one preshared key by ML-KEM-768 (FIPS 203): one offers a key made for this once, the other answers
 * with a ciphertext. The result is bound to all that was said and to who said it, and mixed with the pair's X25519 secret,
 * so it is never weaker than that alone. Pure but for the randomness that it draws.
 */
import { createHash, hkdfSync } from 'node:crypto';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { Secret } from '../../shared/secret.ts';
import type { PublicKey } from '../../shared/wireguard.ts';

export const offerBytes = 1184;
export const answerBytes = 1088;

export interface Offer {
  readonly publicKey: Buffer;
  /** Never leaves this process. */
  readonly secretKey: Uint8Array;
}

/** Who speaks, and what else both know. */
export interface Pairing {
  readonly offerer: PublicKey;
  readonly answerer: PublicKey;
  /** Identifies the exchange, 8 bytes. */
  readonly transaction: Buffer;
  /** 32 bytes by the pair's WireGuard keys. */
  readonly pairKey: Buffer;
}

export function makeOffer(): Offer {
  const { publicKey, secretKey } = ml_kem768.keygen();
  return { publicKey: Buffer.from(publicKey), secretKey };
}

/** Undefined where the offer is no key of ML-KEM. */
export function answerOffer(pairing: Pairing, offer: Buffer): { answer: Buffer; key: Secret } | undefined {
  if (offer.length !== offerBytes) return undefined;
  try {
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(new Uint8Array(offer));
    const answer = Buffer.from(cipherText);
    return { answer, key: derive(pairing, offer, answer, sharedSecret) };
  } catch {
    return undefined;
  }
}

/** An answer that was tampered with gives a key that the other side has not. */
export function finishOffer(pairing: Pairing, offer: Offer, answer: Buffer): Secret | undefined {
  if (answer.length !== answerBytes) return undefined;
  const shared = ml_kem768.decapsulate(new Uint8Array(answer), offer.secretKey);
  return derive(pairing, offer.publicKey, answer, shared);
}

/** 32 bytes in base64, as `wg` takes it. */
function derive(pairing: Pairing, offer: Buffer, answer: Buffer, shared: Uint8Array): Secret {
  const transcript = createHash('sha256')
    .update(Buffer.from(pairing.offerer, 'base64'))
    .update(Buffer.from(pairing.answerer, 'base64'))
    .update(pairing.transaction)
    .update(offer)
    .update(answer)
    .digest();
  const secret = Buffer.concat([shared, pairing.pairKey]);
  return new Secret(Buffer.from(hkdfSync('sha256', secret, transcript, 'warren psk 1', 32)).toString('base64'));
}
