/** The certificate authority over HTTP. */
import * as api from '../../shared/api/ca.ts';
import { type Route, type WriteContext, read, write } from '../http/handler.ts';
import type { Keyring } from '../pki/keyring.ts';
import { presentCa, retireCas, rotateCa } from '../pki/rotation.ts';
import { readKeyring } from '../pki/store-keys.ts';

const get = read(api.getCa, async ({ deps: { store, clock } }) =>
  presentCa(store.db, await readKeyring(store.db), clock.now()),
);

const rotate = write(api.rotateCa, async (ctx) => putInPlace(ctx, await rotateCa(ctx.tx)));

const retire = write(api.retireCa, async (ctx) => putInPlace(ctx, await retireCas(ctx.tx, ctx.body.isForced)));

function putInPlace(ctx: WriteContext, keyring: Keyring): ReturnType<typeof presentCa> {
  ctx.afterCommit(() => ctx.deps.authority.use(keyring));
  return presentCa(ctx.tx.db, keyring, ctx.tx.now);
}

export const caRoutes: Route[] = [get, rotate, retire];
