/** The authority's keys as secrets of the store. */
import { findSecret, saveSecret } from '../store/secrets.ts';
import type { Store } from '../store/open.ts';
import type { KeyringStore } from './keyring.ts';

export function createStoreKeys(store: Store): KeyringStore {
  return {
    load: async (name) => (await findSecret(store.db, name))?.toString('utf8'),
    save: (secrets) =>
      store.transact('server', async (tx) => {
        for (const [name, value] of secrets) await saveSecret(tx, name, Buffer.from(value));
        tx.audit('authority.create', null, {});
      }),
  };
}
