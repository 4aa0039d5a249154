/**
 * The first admin key, which lets somebody into a new server. It must not get lost: nobody could administer the mesh, and
 * nothing else makes keys without one.
 */
import { createKey as createKeyOp } from '../../shared/api/keys.ts';
import type { Secret } from '../../shared/secret.ts';
import { type StoredKey, listWorkingKeys } from '../store/keys.ts';
import type { Store } from '../store/open.ts';
import { makeKey } from './keys.ts';
import { isSecretOf, parseKey } from './secret.ts';

/** Where the first key is left for whoever administers the machine. */
export interface KeyFile {
  /** Undefined when there is none. */
  read(): Promise<string | undefined>;
  /** Durable once it returns; the old content or the new one, never a part. */
  write(text: string): Promise<void>;
}

const firstName = 'first';

/**
 * Makes an admin key where nobody can have one: there is none that works, or only first keys that were never used and are
 * not in the file (the server ended before it could hand one out, or somebody lost it). Undefined otherwise.
 */
export async function ensureFirstKey(store: Store, file: KeyFile): Promise<Secret | undefined> {
  return store.transact('server', async (tx) => {
    const working = await listWorkingKeys(tx.db, 'admin', tx.now);
    const kept = parseKey((await file.read())?.trim() ?? '');
    if (working.some((key) => isInHands(key, kept?.secret))) return undefined;
    const { stored, key } = await makeKey(tx, { name: firstName, scope: 'admin', expiresAt: null });
    tx.audit(createKeyOp.id, stored.id, { scope: 'admin', name: firstName });
    // Before the commit: a key in the file that is in no row is made anew at the next start, a row without its key is lost.
    await file.write(`${key.reveal()}\n`);
    return key;
  });
}

function isInHands(key: StoredKey, kept: Secret | undefined): boolean {
  if (key.name !== firstName || key.lastUsedAt !== null) return true;
  return kept !== undefined && isSecretOf(key.secretHash, kept);
}
