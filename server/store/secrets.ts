/** Small secrets of the server itself that must live and be restored with the database. */
import type { Db } from './schema.ts';
import type { Tx } from './transact.ts';

export async function findSecret(db: Db, name: string): Promise<Buffer | undefined> {
  const row = await db.selectFrom('secret').select('value').where('name', '=', name).executeTakeFirst();
  return row?.value;
}

export async function saveSecret(tx: Tx, name: string, value: Buffer): Promise<void> {
  await tx.db.replaceInto('secret').values({ name, value, created_at: tx.now }).execute();
}
