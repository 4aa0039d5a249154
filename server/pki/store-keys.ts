/** The authority's keys as secrets of the store. */
import { findSecret, saveSecret } from '../store/secrets.ts';
import type { Db } from '../store/schema.ts';
import type { Store, Tx } from '../store/open.ts';
import { type Keyring, type KeyringStore, loadOrCreateKeys, partsOf } from './keyring.ts';

export function createStoreKeys(store: Store): KeyringStore {
  return {
    load: loader(store.db),
    save: (secrets) =>
      store.transact('server', async (tx) => {
        for (const [name, value] of secrets) await saveSecret(tx, name, Buffer.from(value));
        tx.audit('authority.create', null, {});
      }),
  };
}

/** As they are on record, whatever the process signs with at the moment. */
export async function readKeyring(db: Db): Promise<Keyring> {
  return loadOrCreateKeys({ load: loader(db), save: unasked }, unasked);
}

export async function saveKeyring(tx: Tx, keyring: Keyring): Promise<void> {
  for (const [name, value] of partsOf(keyring)) await saveSecret(tx, name, Buffer.from(value));
}

const loader =
  (db: Db): KeyringStore['load'] =>
  async (name) =>
    (await findSecret(db, name))?.toString('utf8');

const unasked = (): never => {
  throw new Error('a server that runs has its keys');
};
