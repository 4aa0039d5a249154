/** Becoming a host, staying one and ceasing to be one, over HTTP. */
import * as api from '../../shared/api/enroll.ts';
import { enroll } from '../enroll/enroll.ts';
import { renew } from '../enroll/renew.ts';
import { removeHost } from '../hosts/hosts.ts';
import { type Route, hostOf, write } from '../http/handler.ts';
import { readHost } from '../store/hosts.ts';
import { formatTime } from '../time.ts';

const join = write(api.enrollHost, async ({ deps, tx, body, remoteAddress }) => {
  const request = { body, remoteAddress, serverUrl: deps.config.url };
  const { host, certificate } = await enroll(tx, deps.authority, request);
  return {
    hostId: host.id,
    name: host.name,
    state: host.state,
    certificate: certificate.pem,
    expiresAt: formatTime(certificate.expiresAt),
  };
});

const renewal = write(api.renewCertificate, async (ctx) => {
  const { deps, tx, body } = ctx;
  const host = await readHost(tx.db, hostOf(ctx).id);
  const certificate = await renew(tx, deps.authority, host, body);
  ctx.afterCommit(() => deps.feed.broadcastStanding(host.id));
  return { certificate: certificate.pem, expiresAt: formatTime(certificate.expiresAt) };
});

const leave = write(api.leaveMesh, async (ctx) =>
  removeHost(ctx.tx, await readHost(ctx.tx.db, hostOf(ctx).id), 'host.leave'),
);

export const enrollRoutes: Route[] = [join, renewal, leave];
