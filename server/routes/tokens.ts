/** Enrollment tokens over HTTP. The whole token leaves in the answer to its making and never again. */
import * as api from '../../shared/api/tokens.ts';
import { formatToken } from '../../shared/token.ts';
import { type Route, read, write } from '../http/handler.ts';
import { readLockHead } from '../store/lock.ts';
import { listTokens } from '../store/tokens.ts';
import { installCommand } from '../tokens/install-command.ts';
import { createToken, presentToken, revokeEnrollmentToken } from '../tokens/tokens.ts';

const list = read(api.listTokens, async ({ deps: { store, clock }, query }) => {
  const page = await listTokens(store.db, query);
  return { items: page.items.map((token) => presentToken(token, clock.now())), nextCursor: page.nextCursor };
});

const create = write(api.createToken, async ({ deps: { config, authority }, tx, body }) => {
  const { stored, secret } = await createToken(tx, body);
  const serverUrl = config.url;
  const lockRoot = (await readLockHead(tx.db))?.root;
  const token = formatToken({ serverUrl, caPin: authority.caPin, id: stored.id, secret, lockRoot });
  return {
    ...presentToken(stored, tx.now),
    token,
    installCommand: installCommand({ serverUrl, serverPin: authority.serverPin, token }),
  };
});

const revoke = write(api.revokeToken, ({ tx, params }) => revokeEnrollmentToken(tx, params.id));

export const tokenRoutes: Route[] = [list, create, revoke];
