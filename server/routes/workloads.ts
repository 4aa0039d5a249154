/** Workloads over HTTP: what agents told, for people and programs to read. */
import * as api from '../../shared/api/workloads.ts';
import { type Route, read } from '../http/handler.ts';
import { listWorkloads } from '../workloads/list.ts';

const list = read(api.listWorkloads, ({ deps: { store }, query }) => listWorkloads(store.db, query));

export const workloadRoutes: Route[] = [list];
