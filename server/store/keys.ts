/** API keys: the hash of the secret, never the secret. */
import type { Scope } from '../../shared/api/keys.ts';
import { makeId } from './ids.ts';
import { type Page, type PageRequest, makePage, readPlace } from './page.ts';
import type { Db } from './schema.ts';
import type { Tx } from './transact.ts';

export interface StoredKey {
  readonly id: string;
  readonly name: string | null;
  readonly secretHash: Buffer;
  readonly scope: Scope;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly lastUsedAt: number | null;
  readonly revokedAt: number | null;
}

/** `id` may be given, because the key's text holds it. */
export type NewKey = Pick<StoredKey, 'name' | 'secretHash' | 'scope' | 'expiresAt'> & { id?: string };

export async function findKey(db: Db, id: string): Promise<StoredKey | undefined> {
  return db.selectFrom('api_key').select(columns).where('id', '=', id).executeTakeFirst();
}

export async function listKeys(db: Db, request: PageRequest): Promise<Page<StoredKey>> {
  const place = readPlace(request.cursor);
  let query = db.selectFrom('api_key').select(columns).orderBy('created_at').orderBy('id');
  if (place !== undefined) {
    query = query.where((eb) => eb(eb.refTuple('created_at', 'id'), '>', eb.tuple(place.createdAt, place.id)));
  }
  return makePage(await query.limit(request.limit + 1).execute(), request.limit);
}

/** Keys of that scope that are neither revoked nor expired. */
export async function listWorkingKeys(db: Db, scope: Scope, now: number): Promise<StoredKey[]> {
  return db
    .selectFrom('api_key')
    .select(columns)
    .where('scope', '=', scope)
    .where('revoked_at', 'is', null)
    .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
    .execute();
}

export async function insertKey(tx: Tx, key: NewKey): Promise<StoredKey> {
  return tx.db
    .insertInto('api_key')
    .values({
      id: key.id ?? makeId('k', (bytes) => tx.random(bytes)),
      name: key.name,
      secret_hash: key.secretHash,
      scope: key.scope,
      created_at: tx.now,
      expires_at: key.expiresAt,
      last_used_at: null,
      revoked_at: null,
    })
    .returning(columns)
    .executeTakeFirstOrThrow();
}

/** False when there is no such key or it was revoked before. */
export async function revokeKey(tx: Tx, id: string): Promise<boolean> {
  const { numUpdatedRows } = await tx.db
    .updateTable('api_key')
    .set({ revoked_at: tx.now })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

export async function recordKeyUse(tx: Tx, id: string, at: number): Promise<void> {
  await tx.db.updateTable('api_key').set({ last_used_at: at }).where('id', '=', id).execute();
}

const columns = [
  'id',
  'name',
  'secret_hash as secretHash',
  'scope',
  'created_at as createdAt',
  'expires_at as expiresAt',
  'last_used_at as lastUsedAt',
  'revoked_at as revokedAt',
] as const;
