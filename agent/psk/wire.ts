/**
 * What hosts of a pair say of their preshared keys, as bodies of probes; `docs/psk.md` has the table. Nothing here is as
 * large as a packet of 1,280 bytes does not take, and no answer is larger than its question.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Secret } from '../../shared/secret.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { PresharedKeyId } from '../plan/preshared.ts';
import type { Choice, Word } from './pair.ts';
import { answerBytes, offerBytes } from './kem.ts';

export const pskKinds = { ask: 32, word: 33, offer: 34, answer: 35 } as const;

const idBytes = 8;
const proofBytes = 16;
export const ticketBytes = 8;
const isHeldBit = 1;
const isReadyBit = 2;
const setAt = 8;
const heldAt = setAt + idBytes + proofBytes;
const ticketAt = heldAt + idBytes + proofBytes;
export const wordBytes = ticketAt + ticketBytes;

/** Proves that the speaker holds the key now: `transaction` is the asker's. */
export function proofOf(key: Secret, transaction: Buffer, speaker: PublicKey): Buffer {
  return createHmac('sha256', Buffer.from(key.reveal(), 'base64'))
    .update('warren psk held')
    .update(transaction)
    .update(Buffer.from(speaker, 'base64'))
    .digest()
    .subarray(0, proofBytes);
}

export interface SpokenWord {
  readonly word: Word;
  /** An offer that brings it may be made; undefined where none would be taken. */
  readonly ticket: Buffer | undefined;
}

/** `prove` answers undefined for a key that is not there. */
export function encodeWord({ word, ticket }: SpokenWord, prove: (id: PresharedKeyId) => Buffer | undefined): Buffer {
  const bytes = Buffer.alloc(wordBytes);
  bytes.writeUInt8((word.held === undefined ? 0 : isHeldBit) | (ticket === undefined ? 0 : isReadyBit), 0);
  const put = (id: Choice, at: number): void => {
    if (id === undefined) return;
    bytes.write(id, at, 'hex');
    prove(id)?.copy(bytes, at + idBytes);
  };
  put(word.set, setAt);
  put(word.held?.id, heldAt);
  ticket?.copy(bytes, ticketAt);
  return bytes;
}

/** Undefined for what is no word, or names a key that is here without proving that it has it. */
export function decodeWord(bytes: Buffer, prove: (id: PresharedKeyId) => Buffer | undefined): SpokenWord | undefined {
  if (bytes.length !== wordBytes) return undefined;
  const flags = bytes.readUInt8(0);
  const ids: Choice[] = [];
  for (const at of [setAt, heldAt]) {
    const id = bytes.toString('hex', at, at + idBytes) as PresharedKeyId;
    const isNone = /^0+$/.test(id);
    const proof = isNone ? undefined : prove(id);
    const given = bytes.subarray(at + idBytes, at + idBytes + proofBytes);
    if (proof !== undefined && !timingSafeEqual(proof, given)) return undefined;
    ids.push(isNone ? undefined : id);
  }
  const isHeld = (flags & isHeldBit) !== 0;
  return {
    word: { set: ids[0], held: isHeld ? { id: ids[1] } : undefined },
    ticket: (flags & isReadyBit) === 0 ? undefined : Buffer.from(bytes.subarray(ticketAt)),
  };
}

export const encodeOffer = (ticket: Buffer, publicKey: Buffer): Buffer => Buffer.concat([ticket, publicKey]);

export function decodeOffer(bytes: Buffer): { ticket: Buffer; publicKey: Buffer } | undefined {
  if (bytes.length !== ticketBytes + offerBytes) return undefined;
  return { ticket: bytes.subarray(0, ticketBytes), publicKey: bytes.subarray(ticketBytes) };
}

export const isAnswer = (bytes: Buffer): boolean => bytes.length === answerBytes;
