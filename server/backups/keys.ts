/**
 * Keys that backups are sealed to: X25519, the public one with the server, the private one with an admin and never on
 * the server. Both are one word of text that ends in a checksum, because a backup sealed to a mistyped key is none.
 */
import { type KeyObject, createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { WarrenError } from '../../shared/errors.ts';
import { Secret } from '../../shared/secret.ts';

/** A public key; the text is canonical. */
export type Recipient = string & { readonly __recipient: true };

export interface BackupKey {
  readonly recipient: Recipient;
  readonly privateKey: KeyObject;
}

const publicPrefix = 'wrnbackup_';
const privatePrefix = 'wrnbackupkey_';
const keyBytes = 32;
const checksumBytes = 4;

export function generateBackupKey(): { recipient: Recipient; text: Secret } {
  const { privateKey } = generateKeyPairSync('x25519');
  const { d = '' } = privateKey.export({ format: 'jwk' });
  const text = new Secret(encode(privatePrefix, Buffer.from(d, 'base64url')));
  return { recipient: recipientOf(privateKey), text };
}

/** Throws an error that says how a recipient is written. */
export function parseRecipient(text: string): Recipient {
  const raw = decode(publicPrefix, text);
  if (raw === undefined) {
    throw new Error('a backup key is written wrnbackup_… as `warren server backup-key FILE` prints it, whole');
  }
  return text as Recipient;
}

/** A sealed backup has at most this many recipients. */
export const maxRecipients = 16;

/** Each once. Throws an error that says what is wrong with them. */
export function parseRecipients(texts: readonly string[]): Recipient[] {
  const recipients = [...new Set(texts.map(parseRecipient))];
  if (recipients.length > maxRecipients) throw new Error(`a backup is sealed to at most ${maxRecipients} keys`);
  return recipients;
}

/** Throws `usage-invalid`. */
export function parseBackupKey(text: Secret): BackupKey {
  const raw = decode(privatePrefix, text.reveal().trim());
  if (raw === undefined) {
    throw new WarrenError('usage-invalid', 'that is no file of `warren server backup-key FILE`, or a part is missing');
  }
  const privateKey = privateKeyOf(raw);
  return { privateKey, recipient: recipientOf(privateKey) };
}

export function rawRecipient(recipient: Recipient): Buffer {
  return decode(publicPrefix, recipient) ?? Buffer.alloc(0);
}

export function publicKeyOf(raw: Buffer): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: raw.toString('base64url') }, format: 'jwk' });
}

export function rawPublic(key: KeyObject): Buffer {
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  return Buffer.from(x, 'base64url');
}

/** PKCS #8 of an X25519 key (RFC 8410) before its 32 bytes. */
const pkcs8Head = Buffer.from('302e020100300506032b656e04220420', 'hex');

function privateKeyOf(raw: Buffer): KeyObject {
  return createPrivateKey({ key: Buffer.concat([pkcs8Head, raw]), format: 'der', type: 'pkcs8' });
}

function recipientOf(privateKey: KeyObject): Recipient {
  return encode(publicPrefix, rawPublic(privateKey)) as Recipient;
}

function encode(prefix: string, raw: Buffer): string {
  return prefix + Buffer.concat([raw, checksum(prefix, raw)]).toString('base64url');
}

function decode(prefix: string, text: string): Buffer | undefined {
  if (!text.startsWith(prefix) || !/^[A-Za-z0-9_-]{48}$/.test(text.slice(prefix.length))) return undefined;
  const whole = Buffer.from(text.slice(prefix.length), 'base64url');
  const raw = whole.subarray(0, keyBytes);
  return whole.subarray(keyBytes).equals(checksum(prefix, raw)) ? raw : undefined;
}

function checksum(prefix: string, raw: Buffer): Buffer {
  return createHash('sha256').update(prefix).update(raw).digest().subarray(0, checksumBytes);
}
