/**
 * Sealed backups: a file that only the holder of a backup key can read, written and read in pieces. The format is in
 * `docs/backups.md`: a header with one wrapped file key for each recipient, then chunks under AES-256-GCM whose nonces
 * count and whose last one says that it is the last, so that neither a change nor a cut nor a swap goes unseen.
 */
import {
  type KeyObject,
  createCipheriv,
  createDecipheriv,
  createHash,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
} from 'node:crypto';
import { WarrenError } from '../../shared/errors.ts';
import { type BackupKey, type Recipient, publicKeyOf, rawPublic, rawRecipient } from './keys.ts';

export const magic = Buffer.from('warren-backup-1\n');
/** Bytes of plain text in each chunk but the last. */
export const chunkBytes = 64 * 1024;
export const tagBytes = 16;
const keyBytes = 32;
const wrappedBytes = keyBytes + keyBytes + tagBytes;
const cipher = 'aes-256-gcm';

/** Encrypts or decrypts the chunks of one file in order. */
export interface ChunkCipher {
  seal(plain: Buffer, isLast: boolean): Buffer;
  /** Throws `store-corrupt`. */
  open(sealed: Buffer, isLast: boolean): Buffer;
}

export interface SealedHeader {
  readonly bytes: Buffer;
  readonly fileKey: Buffer;
}

/** A new file key, wrapped for each recipient. */
export function makeHeader(recipients: readonly Recipient[]): SealedHeader {
  const fileKey = randomBytes(keyBytes);
  const wrapped = recipients.map((recipient) => wrap(fileKey, rawRecipient(recipient)));
  return { bytes: Buffer.concat([magic, Buffer.from([recipients.length]), ...wrapped]), fileKey };
}

/** Bytes of a header whose first bytes are these; undefined when they begin no sealed backup. */
export function headerLength(start: Buffer): number | undefined {
  const count = start[magic.length];
  if (!start.subarray(0, magic.length).equals(magic) || count === undefined) return undefined;
  return magic.length + 1 + count * wrappedBytes;
}

/** Throws `forbidden` when none of the wrapped keys is for `key`. */
export function openHeader(bytes: Buffer, key: BackupKey): SealedHeader {
  const own = rawRecipient(key.recipient);
  for (let at = magic.length + 1; at + wrappedBytes <= bytes.length; at += wrappedBytes) {
    const fileKey = unwrap(bytes.subarray(at, at + wrappedBytes), key.privateKey, own);
    if (fileKey !== undefined) return { bytes, fileKey };
  }
  throw new WarrenError('forbidden', `the backup is sealed, but not to ${key.recipient}; take the key that fits`);
}

/** The key depends on the whole header: a changed one opens nothing. */
export function createChunkCipher({ bytes, fileKey }: SealedHeader): ChunkCipher {
  const salt = createHash('sha256').update(bytes).digest();
  const key = derive(fileKey, salt, 'warren backup 1 content');
  let count = 0;
  const nextNonce = (isLast: boolean): Buffer => {
    const nonce = Buffer.alloc(12);
    nonce.writeUIntBE(count, 5, 6);
    nonce[11] = isLast ? 1 : 0;
    count += 1;
    return nonce;
  };
  return {
    seal: (plain, isLast) => encrypt(key, nextNonce(isLast), plain),
    open(sealed, isLast) {
      const plain = decrypt(key, nextNonce(isLast), sealed);
      if (plain === undefined) {
        throw new WarrenError(
          'store-corrupt',
          'the sealed backup is damaged, cut short or tampered with; take another',
        );
      }
      return plain;
    },
  };
}

const zeroNonce = Buffer.alloc(12);

/** Each wrapping has a key pair of its own, so its key encrypts one thing only and needs no nonce. */
function wrap(fileKey: Buffer, recipient: Buffer): Buffer {
  const { privateKey } = generateKeyPairSync('x25519');
  const ephemeral = rawPublic(privateKey);
  const shared = diffieHellman({ privateKey, publicKey: publicKeyOf(recipient) });
  return Buffer.concat([ephemeral, encrypt(wrappingKey(shared, ephemeral, recipient), zeroNonce, fileKey)]);
}

function unwrap(wrapped: Buffer, privateKey: KeyObject, own: Buffer): Buffer | undefined {
  const ephemeral = wrapped.subarray(0, keyBytes);
  try {
    const shared = diffieHellman({ privateKey, publicKey: publicKeyOf(ephemeral) });
    return decrypt(wrappingKey(shared, ephemeral, own), zeroNonce, wrapped.subarray(keyBytes));
  } catch {
    // A point of low order: somebody else's, or damage.
    return undefined;
  }
}

function wrappingKey(shared: Buffer, ephemeral: Buffer, recipient: Buffer): Buffer {
  return derive(shared, Buffer.concat([ephemeral, recipient]), 'warren backup 1 key');
}

function derive(secret: Buffer, salt: Buffer, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, info, keyBytes));
}

function encrypt(key: Buffer, nonce: Buffer, plain: Buffer): Buffer {
  const encryption = createCipheriv(cipher, key, nonce);
  return Buffer.concat([encryption.update(plain), encryption.final(), encryption.getAuthTag()]);
}

function decrypt(key: Buffer, nonce: Buffer, sealed: Buffer): Buffer | undefined {
  if (sealed.length < tagBytes) return undefined;
  const decryption = createDecipheriv(cipher, key, nonce);
  decryption.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  const plain = decryption.update(sealed.subarray(0, sealed.length - tagBytes));
  try {
    return Buffer.concat([plain, decryption.final()]);
  } catch {
    return undefined;
  }
}
