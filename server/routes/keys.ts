/** API keys over HTTP. The whole key leaves in the answer to its making and never again. */
import * as api from '../../shared/api/keys.ts';
import { type Route, read, write } from '../http/handler.ts';
import { createKey, presentKey, revokeApiKey } from '../keys/keys.ts';
import { listKeys } from '../store/keys.ts';

const list = read(api.listKeys, async ({ deps: { store, clock }, query }) => {
  const page = await listKeys(store.db, query);
  return { items: page.items.map((key) => presentKey(key, clock.now())), nextCursor: page.nextCursor };
});

const create = write(api.createKey, async ({ tx, body }) => {
  const { stored, key } = await createKey(tx, body);
  return { ...presentKey(stored, tx.now), key: key.reveal() };
});

const revoke = write(api.revokeKey, ({ tx, params }) => revokeApiKey(tx, params.id));

export const keyRoutes: Route[] = [list, create, revoke];
