/** Hosts over HTTP: look the host up, check the version, hand over to `hosts/`, show what came of it. */
import * as api from '../../shared/api/hosts.ts';
import {
  approveHost,
  changeHost,
  disableHost,
  enableHost,
  preregisterHost,
  removeHost,
  requestRotation,
} from '../hosts/hosts.ts';
import { presentHost, presentHosts } from '../hosts/present.ts';
import { requireVersion } from '../http/etag.ts';
import { type Route, type WriteContext, read, write } from '../http/handler.ts';
import { type StoredHost, listHosts, readHost } from '../store/hosts.ts';
import type { Tx } from '../store/open.ts';

type HostContext = Pick<WriteContext, 'deps' | 'tx'>;

const show = ({ deps, tx }: HostContext, host: StoredHost) => presentHost(deps, tx.db, host);

const list = read(api.listHosts, async ({ deps, query }) => {
  const page = await listHosts(deps.store.db, query);
  return { items: await presentHosts(deps, deps.store.db, page.items), nextCursor: page.nextCursor };
});

const showOne = read(api.showHost, async ({ deps, params }) =>
  presentHost(deps, deps.store.db, await readHost(deps.store.db, params.id)),
);

const create = write(api.createHost, async (ctx) => show(ctx, await preregisterHost(ctx.tx, ctx.body)));

const update = write(api.updateHost, async (ctx) => {
  const host = await readHost(ctx.tx.db, ctx.params.id);
  requireVersion(ctx, host.version);
  return show(ctx, await changeHost(ctx.tx, host, ctx.body));
});

const remove = write(api.removeHost, async (ctx) => {
  const host = await readHost(ctx.tx.db, ctx.params.id);
  requireVersion(ctx, host.version);
  await removeHost(ctx.tx, host, 'host.remove');
});

/** What is done to one host without further input; its own stream is told its standing again. */
function act(op: typeof api.approveHost, step: (tx: Tx, host: StoredHost) => Promise<StoredHost>): Route {
  return write(op, async (ctx) => {
    const host = await step(ctx.tx, await readHost(ctx.tx.db, ctx.params.id));
    ctx.afterCommit(() => ctx.deps.feed.broadcastStanding(host.id));
    return show(ctx, host);
  });
}

export const hostRoutes: Route[] = [
  list,
  showOne,
  create,
  update,
  remove,
  act(api.approveHost, approveHost),
  act(api.disableHost, disableHost),
  act(api.enableHost, enableHost),
  act(api.rotateHost, requestRotation),
];
