/**
 * API keys of people and programs: making, listing and revoking them. Recognising a key in a request is `http/auth.ts`'s
 * part. The store keeps a hash; the whole key leaves here once, in the answer to who made it.
 */
import type { z } from 'zod';
import { type Key, createKey as createKeyOp } from '../../shared/api/keys.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { Secret } from '../../shared/secret.ts';
import { type NewKey, type StoredKey, findKey, insertKey, listWorkingKeys, revokeKey } from '../store/keys.ts';
import type { Tx } from '../store/open.ts';
import { formatKey, hashSecret, makeSecret } from './secret.ts';
import { makeId } from '../store/ids.ts';
import { formatTime, readTime } from '../time.ts';

const day = 86_400_000;
const defaultLifetime = 90 * day;

export interface MadeKey {
  readonly stored: StoredKey;
  /** `wrn_<id>_<secret>`. */
  readonly key: Secret;
}

/** Throws `request-invalid` for an expiry in the past. */
export async function createKey(tx: Tx, body: z.output<typeof createKeyOp.body>): Promise<MadeKey> {
  const made = await makeKey(tx, {
    name: body.name ?? null,
    scope: body.scope,
    expiresAt: readExpiry(body.expiresAt, tx.now),
  });
  tx.audit(createKeyOp.id, made.stored.id, { scope: body.scope, name: body.name ?? null });
  return made;
}

/** Throws `not-found`; `conflict` for the last admin key, because nobody could make another one. */
export async function revokeApiKey(tx: Tx, id: string): Promise<void> {
  const key = await findKey(tx.db, id);
  if (key === undefined) throw new WarrenError('not-found', `there is no key ${id}; see \`warren key ls\``);
  if (key.revokedAt !== null) return;
  if (isLastAdmin(key, await listWorkingKeys(tx.db, 'admin', tx.now))) {
    throw new WarrenError('conflict', `${id} is the last working admin key; make another one before you revoke it`);
  }
  await revokeKey(tx, id);
  tx.audit('key.revoke', id, { scope: key.scope });
}

export function presentKey(key: StoredKey, now: number): Key {
  return {
    id: key.id,
    name: key.name,
    scope: key.scope,
    createdAt: formatTime(key.createdAt),
    expiresAt: key.expiresAt === null ? null : formatTime(key.expiresAt),
    lastUsedAt: key.lastUsedAt === null ? null : formatTime(key.lastUsedAt),
    state: keyState(key, now),
  };
}

export async function makeKey(tx: Tx, spec: Omit<NewKey, 'secretHash' | 'id'>): Promise<MadeKey> {
  const id = makeId('k', (bytes) => tx.random(bytes));
  const secret = makeSecret((bytes) => tx.random(bytes));
  const stored = await insertKey(tx, { ...spec, id, secretHash: hashSecret(secret) });
  return { stored, key: formatKey(id, secret) };
}

function readExpiry(expiresAt: string | null | undefined, now: number): number | null {
  if (expiresAt === null) return null;
  if (expiresAt === undefined) return now + defaultLifetime;
  const at = readTime(expiresAt);
  if (at > now) return at;
  throw new WarrenError(
    'request-invalid',
    'expiresAt is in the past; give a later time, or null for a key without end',
    {
      field: 'expiresAt',
    },
  );
}

function keyState(key: StoredKey, now: number): Key['state'] {
  if (key.revokedAt !== null) return 'revoked';
  return key.expiresAt !== null && key.expiresAt <= now ? 'expired' : 'active';
}

function isLastAdmin(key: StoredKey, working: readonly StoredKey[]): boolean {
  return working.length === 1 && working[0]?.id === key.id;
}
