/** Enrollment tokens: the hash of the secret, never the secret. */
import type { Selectable } from 'kysely';
import { makeId } from './ids.ts';
import { type Page, type PageRequest, makePage, readPlace } from './page.ts';
import type { Db, TokenTable } from './schema.ts';
import type { Tx } from './transact.ts';

export interface StoredToken {
  readonly id: string;
  readonly name: string | null;
  readonly secretHash: Buffer;
  readonly uses: number;
  readonly used: number;
  readonly tags: readonly string[];
  readonly isAutoApprove: boolean;
  readonly isEphemeral: boolean;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly revokedAt: number | null;
}

export type NewToken = Omit<StoredToken, 'id' | 'used' | 'createdAt' | 'revokedAt'>;

export async function findToken(db: Db, id: string): Promise<StoredToken | undefined> {
  const row = await db.selectFrom('token').selectAll().where('id', '=', id).executeTakeFirst();
  return row === undefined ? undefined : toToken(row);
}

export async function listTokens(db: Db, request: PageRequest): Promise<Page<StoredToken>> {
  const place = readPlace(request.cursor);
  let query = db.selectFrom('token').selectAll().orderBy('created_at').orderBy('id');
  if (place !== undefined) {
    query = query.where((eb) => eb(eb.refTuple('created_at', 'id'), '>', eb.tuple(place.createdAt, place.id)));
  }
  const rows = await query.limit(request.limit + 1).execute();
  return makePage(rows.map(toToken), request.limit);
}

export async function insertToken(tx: Tx, token: NewToken): Promise<StoredToken> {
  const row = await tx.db
    .insertInto('token')
    .values({
      id: makeId('t', (bytes) => tx.random(bytes)),
      name: token.name,
      secret_hash: token.secretHash,
      uses: token.uses,
      tags: JSON.stringify(token.tags),
      is_auto_approve: token.isAutoApprove ? 1 : 0,
      is_ephemeral: token.isEphemeral ? 1 : 0,
      created_at: tx.now,
      expires_at: token.expiresAt,
      revoked_at: null,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return toToken(row);
}

/** Takes one use. False when the token is used up, expired or revoked. */
export async function useToken(tx: Tx, id: string): Promise<boolean> {
  const { numUpdatedRows } = await tx.db
    .updateTable('token')
    .set((eb) => ({ used: eb('used', '+', 1) }))
    .where('id', '=', id)
    .where((eb) => eb('used', '<', eb.ref('uses')))
    .where('expires_at', '>', tx.now)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** False when there is no such token or it was revoked before. */
export async function revokeToken(tx: Tx, id: string): Promise<boolean> {
  const { numUpdatedRows } = await tx.db
    .updateTable('token')
    .set({ revoked_at: tx.now })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

function toToken(row: Selectable<TokenTable>): StoredToken {
  return {
    id: row.id,
    name: row.name,
    secretHash: row.secret_hash,
    uses: row.uses,
    used: row.used,
    tags: JSON.parse(row.tags) as string[],
    isAutoApprove: row.is_auto_approve === 1,
    isEphemeral: row.is_ephemeral === 1,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  };
}
