/**
 * API keys of people and programs: making, listing and revoking them. Recognising a key in a request is `http/auth.ts`'s
 * part. The store keeps a hash; the whole key leaves here once, in the answer to who made it.
 */
import type { z } from 'zod';
import { type Key, type Scope, createKey as createKeyOp } from '../../shared/api/keys.ts';
import { WarrenError } from '../../shared/errors.ts';
import { Secret } from '../../shared/secret.ts';
import { type NewKey, type StoredKey, countActiveKeys, findKey, insertKey, revokeKey } from '../store/keys.ts';
import type { Store, Tx } from '../store/open.ts';
import { hashSecret, makeSecret } from './secret.ts';
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

/** Makes the first admin key of a new server; undefined when there is a working one already. */
export async function ensureFirstKey({ store }: { store: Store }): Promise<{ key: Secret } | undefined> {
  return store.transact('server', async (tx) => {
    if ((await countActiveKeys(tx.db, 'admin', tx.now)) > 0) return undefined;
    const made = await makeKey(tx, { name: 'first', scope: 'admin', expiresAt: null });
    tx.audit(createKeyOp.id, made.stored.id, { scope: 'admin', name: 'first' });
    return { key: made.key };
  });
}

/** Throws `not-found`; `conflict` for the last admin key, because nobody could make another one. */
export async function revokeApiKey(tx: Tx, id: string): Promise<void> {
  const key = await findKey(tx.db, id);
  if (key === undefined) throw new WarrenError('not-found', `there is no key ${id}; see \`warren key ls\``);
  if (key.revokedAt !== null) return;
  if (isLastAdmin(key, await countActiveKeys(tx.db, 'admin', tx.now), tx.now)) {
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

async function makeKey(tx: Tx, spec: Omit<NewKey, 'secretHash' | 'id'> & { scope: Scope }): Promise<MadeKey> {
  const id = makeId('k', (bytes) => tx.random(bytes));
  const secret = makeSecret((bytes) => tx.random(bytes));
  const stored = await insertKey(tx, { ...spec, id, secretHash: hashSecret(secret) });
  return { stored, key: new Secret(`wrn_${id}_${secret.reveal()}`) };
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

function isLastAdmin(key: StoredKey, activeAdmins: number, now: number): boolean {
  return key.scope === 'admin' && keyState(key, now) === 'active' && activeAdmins <= 1;
}
