/** Advertised subnets over HTTP, of all hosts and of one. */
import * as api from '../../shared/api/subnets.ts';
import { requireVersion } from '../http/etag.ts';
import { type Route, read, write } from '../http/handler.ts';
import { readHost } from '../store/hosts.ts';
import type { Db } from '../store/open.ts';
import { type StoredSubnet, listSubnets, readSubnet } from '../store/subnets.ts';
import { presentSubnets } from '../subnets/present.ts';
import { changeSubnet, createSubnet, removeSubnet } from '../subnets/subnets.ts';

async function presentSubnet(db: Db, subnet: StoredSubnet) {
  const [presented] = await presentSubnets(db, [subnet]);
  return presented ?? Promise.reject(new RangeError('one subnet gives one presentation'));
}

const list = read(api.listSubnets, async ({ deps: { store }, query }) => {
  const page = await listSubnets(store.db, query);
  return { items: await presentSubnets(store.db, page.items), nextCursor: page.nextCursor };
});

const listOfHost = read(api.listHostSubnets, async ({ deps: { store }, params, query }) => {
  const host = await readHost(store.db, params.id);
  const page = await listSubnets(store.db, { ...query, hostId: host.id });
  return { items: await presentSubnets(store.db, page.items), nextCursor: page.nextCursor };
});

const show = read(api.showSubnet, async ({ deps: { store }, params }) =>
  presentSubnet(store.db, await readSubnet(store.db, params.id)),
);

const create = write(api.createHostSubnet, async ({ deps, tx, params, body }) =>
  presentSubnet(tx.db, await createSubnet(tx, { hostId: params.id, ...body, serverUrl: deps.config.url })),
);

const update = write(api.updateSubnet, async (ctx) => {
  const { tx, deps, params, body } = ctx;
  const subnet = await readSubnet(tx.db, params.id);
  requireVersion(ctx, subnet.version);
  return presentSubnet(tx.db, await changeSubnet(tx, subnet, body, deps.config.url));
});

const remove = write(api.removeHostSubnet, ({ tx, params }) => removeSubnet(tx, params.id, params.subnetId));

export const subnetRoutes: Route[] = [list, listOfHost, show, create, update, remove];
