/** Segments over HTTP. */
import * as api from '../../shared/api/segments.ts';
import { type Route, read, write } from '../http/handler.ts';
import { makeNamePage, readNamePlace } from '../store/page.ts';
import { formatMaybe, formatTime } from '../time.ts';
import { type SegmentView, createSegment, removeSegment, viewSegments } from '../workloads/segments.ts';

const list = read(api.listSegments, async ({ deps: { store }, query }) => {
  const after = readNamePlace(query.cursor, /^[a-z0-9-]{1,31}$/)?.[0] ?? '';
  const rest = (await viewSegments(store.db)).filter(({ name }) => name > after);
  const page = makeNamePage(rest, query.limit, ({ name }) => name);
  return { items: page.items.map(present), nextCursor: page.nextCursor };
});

const create = write(api.createSegment, async ({ tx, body }) => {
  const { createdAt, ...rest } = await createSegment(tx, body);
  return { ...rest, createdAt: formatTime(createdAt) };
});

const remove = write(api.removeSegment, ({ tx, params }) => removeSegment(tx, params.name));

const present = ({ createdAt, ...rest }: SegmentView): api.ShownSegment => ({
  ...rest,
  createdAt: formatMaybe(createdAt),
});

export const segmentRoutes: Route[] = [list, create, remove];
