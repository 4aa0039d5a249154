/** Published ports over HTTP. */
import * as api from '../../shared/api/publications.ts';
import { type Route, read, write } from '../http/handler.ts';
import { type StoredPublication, listPublications, readPublication } from '../store/publications.ts';
import { formatTime } from '../time.ts';
import { createPublication, removePublication } from '../workloads/publications.ts';

const list = read(api.listPublications, async ({ deps: { store }, query }) => {
  const page = await listPublications(store.db, query);
  return { items: page.items.map(present), nextCursor: page.nextCursor };
});

const show = read(api.showPublication, async ({ deps: { store }, params }) =>
  present(await readPublication(store.db, params.id)),
);

const create = write(api.createPublication, async ({ deps, tx, body: { host: hostId, ...rest } }) =>
  present(await createPublication(tx, { ...rest, hostId }, deps.config.url)),
);

const remove = write(api.removePublication, ({ tx, params }) => removePublication(tx, params.id));

const present = ({ createdAt, ...rest }: StoredPublication): api.ShownPublication => ({
  ...rest,
  createdAt: formatTime(createdAt),
});

export const publicationRoutes: Route[] = [list, show, create, remove];
