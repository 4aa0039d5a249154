/** Agents' reports over HTTP. Not a `write`: most reports change nothing that is durable, and none is worth a replay. */
import { sendReport } from '../../shared/api/report.ts';
import { type Route, hostOf, read } from '../http/handler.ts';
import { takeReport } from '../status/report.ts';

const send = read(sendReport, async (ctx) =>
  takeReport(ctx.deps, { hostId: hostOf(ctx).id, remoteAddress: ctx.remoteAddress }, ctx.body),
);

export const reportRoutes: Route[] = [send];
