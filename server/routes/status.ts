/** The mesh, the live view and the stream of changes over HTTP. */
import * as api from '../../shared/api/status.ts';
import { type Route, read, stream } from '../http/handler.ts';
import { watchChanges } from '../status/events.ts';
import { viewMesh, viewStatus } from '../status/view.ts';

const mesh = read(api.showMesh, ({ deps }) => viewMesh(deps));

const status = read(api.showStatus, ({ deps, query }) => viewStatus(deps, query));

const events = stream(api.watchEvents, ({ deps: { store, clock } }, socket) =>
  watchChanges(store, socket, () => clock.now()),
);

export const statusRoutes: Route[] = [mesh, status, events];
