/**
 * Replies kept for a day so that a repeated request gets the first one's answer. A reply may hold a secret, so the row is
 * encrypted (AES-256-GCM) under a key derived from the caller's Idempotency-Key, which the server does not keep.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto';
import { WarrenError } from '../../shared/errors.ts';
import type { Db } from './schema.ts';
import type { Tx } from './transact.ts';

/** Milliseconds for which a reply is kept. */
export const replyLifetime = 24 * 60 * 60 * 1000;

export interface IdempotencyScope {
  /** Replies of one caller are nobody else's. */
  readonly actor: string;
  readonly key: string;
  /** Whatever makes this the same request: operation, params, body. */
  readonly request: string;
}

/** The reply saved before, as text. Throws `idempotency-mismatch` when the key was used for another request. */
export async function findReply(db: Db, scope: IdempotencyScope, now: number): Promise<string | undefined> {
  const row = await db
    .selectFrom('idempotency')
    .selectAll()
    .where('key_hash', '=', keyHash(scope))
    .where('created_at', '>', now - replyLifetime)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  if (!row.request_hash.equals(requestHash(scope))) {
    throw new WarrenError(
      'idempotency-mismatch',
      'this Idempotency-Key was used for another request; make a new key for each request',
      { field: 'Idempotency-Key' },
    );
  }
  return decrypt(row.reply, scope);
}

export async function saveReply(tx: Tx, scope: IdempotencyScope, reply: string): Promise<void> {
  const row = {
    key_hash: keyHash(scope),
    request_hash: requestHash(scope),
    reply: encrypt(reply, scope, tx.random(12)),
    created_at: tx.now,
  };
  await tx.db.replaceInto('idempotency').values(row).execute();
}

export async function pruneReplies(tx: Tx): Promise<number> {
  const { numDeletedRows } = await tx.db
    .deleteFrom('idempotency')
    .where('created_at', '<=', tx.now - replyLifetime)
    .executeTakeFirst();
  return Number(numDeletedRows);
}

const digest = (...parts: string[]): Buffer => createHash('sha256').update(JSON.stringify(parts)).digest();
const keyHash = ({ actor, key }: IdempotencyScope): Buffer => digest('key', actor, key);
const requestHash = ({ key, request }: IdempotencyScope): Buffer => digest('request', key, request);

function cipherKey({ actor, key }: IdempotencyScope): Buffer {
  return Buffer.from(hkdfSync('sha256', key, actor, 'warren idempotent reply', 32));
}

/** Nonce (12 bytes), tag (16 bytes), ciphertext. */
function encrypt(text: string, scope: IdempotencyScope, nonce: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', cipherKey(scope), nonce);
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
}

function decrypt(bytes: Buffer, scope: IdempotencyScope): string {
  const decipher = createDecipheriv('aes-256-gcm', cipherKey(scope), bytes.subarray(0, 12), { authTagLength: 16 });
  decipher.setAuthTag(bytes.subarray(12, 28));
  return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
}
