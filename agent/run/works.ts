/**
 * The moving parts of one agent, joined: the feed tells, the reconciler makes it so, the reporter tells back, renewal
 * keeps keys and certificate. Each knows only its callbacks; what calls what is said here and nowhere else.
 */
import type { ReportBody } from '../../shared/api/report.ts';
import { seedOf } from '../config.ts';
import { pluginPlace } from '../plugin/settings.ts';
import { startPlugin } from '../plugin/start.ts';
import type { Names } from '../names/room.ts';
import type { Reconciler } from '../reconcile.ts';
import { type Renewal, startRenewal } from '../renew.ts';
import { createReporter } from '../report.ts';
import { type Stream, openStream } from '../stream.ts';
import { type LockFetch, startLockFetch } from '../lock/fetch.ts';
import { watchKernel } from '../system/monitor.ts';
import { type Account, createAccount } from './account.ts';
import type { Docker } from '../docker/room.ts';
import type { Context } from './context.ts';
import { engineMembersOf, startDockerRoom } from './docker.ts';
import type { Hooks } from '../hooks/room.ts';
import { startHookRoom } from './hooks.ts';
import { listen } from './listen.ts';
import { startNameRoom } from './names.ts';
import { createNews } from './news.ts';
import { startPasses } from './passes.ts';
import { type Paths, startPaths } from './paths.ts';
import { startFallbackRoom } from './fallback.ts';
import { type Psk, startPsk } from './psk.ts';
import { type Relaying, startRelaying } from './relay.ts';

export interface Works {
  readonly lock: LockFetch;
  readonly reconciler: Reconciler;
  readonly stream: Stream;
  readonly renewal: Renewal;
  readonly account: Account;
  readonly docker: Docker;
  readonly names: Names;
  readonly paths: Paths;
  readonly psk: Psk;
  readonly hooks: Hooks;
  readonly relaying: Relaying;
  /** Afterwards nothing is touched, asked or told any more, and the newest map is saved. */
  halt(): Promise<void>;
}

export function startWorks(context: Context): Works {
  const { system, link, clock, log, state, host, membership, workloads } = context;
  const rooms = { docker: () => docker, names: () => names, paths: () => paths, hooks: () => hooks, psk: () => psk };
  const reconciler: Reconciler = startPasses(context, rooms, () => {
    relaying.look();
    fallback.stand();
    news.look();
  });
  const paths = startPaths(
    context,
    () => reconciler,
    () => news.look(),
    (peer, isSpoken) => psk.noteAgent(peer, isSpoken),
  );
  const psk: Psk = startPsk(context, paths, () => reconciler);
  const relaying = startRelaying(context, paths);
  const fallback = startFallbackRoom(context, paths, () => news.look());
  const hooks: Hooks = startHookRoom(context, reconciler, paths, () => news.look());
  const docker: Docker = startDockerRoom(context, reconciler, () => {
    reconciler.wake();
    news.look();
  });
  const names: Names = startNameRoom(context, { docker: () => docker, paths }, () => reconciler.wake());
  workloads.put('static', context.statics.workloads());
  const plugin = startPlugin({
    ...context,
    place: pluginPlace(context.agent),
    book: context.plugin,
    seed: seedOf(context.agent),
    reconciler,
    engine: () => docker.engine(),
  });
  const bridged = { faults: () => engineMembersOf(context, docker).faults };
  const failing = [docker, bridged, plugin, names, relaying, fallback, context.dhcp, context.ports, hooks];
  const account = createAccount(context, reconciler, failing, docker, () => ({
    ...paths.outside(),
    ...fallback.told(),
  }));
  const report = (): ReportBody | undefined =>
    stream.connection().kind === 'connected' ? account.report() : undefined;
  const news = createNews(report, (what) => reporter.changed(what));
  const wake = (): void => {
    relaying.stand();
    fallback.stand();
    reconciler.wake();
  };
  const lock: LockFetch = startLockFetch({
    book: context.lock,
    fetch: (after) => link.lock(after),
    mapSaved: () => membership.saved(),
    hostCount: () => membership.received()?.hosts.length ?? 0,
    clock,
    log,
    onChange: () => {
      heard.noticeSelf();
      wake();
      news.look();
    },
  });
  const heard = listen(context, {
    reconciler: { wake },
    news,
    renewal: () => renewal,
    reporter: () => reporter,
    paths: () => paths,
    lock,
  });
  const stream = openStream({ link, clock, log, map: membership.received(), ...heard });
  const { onRefused } = heard;
  const hostCount = (): number => membership.map()?.hosts.length ?? 0;
  const reporter = createReporter({ link, clock, log, collect: report, hostCount, onRefused });
  const onNewKey = async (): Promise<void> => {
    await context.readSettings();
    reconciler.look();
  };
  const onNewCertificate = (): void => {
    fallback.refresh();
    stream.nudge();
  };
  const renewal = startRenewal({ link, clock, log, state, name: host.name, onNewKey, onNewCertificate });
  const kernel = watchKernel(system, context.settings(), {
    onChange: () => reconciler.look(),
    onFirewalld: () => context.beside.forgetFirewalld(),
    // Peers hear from the new address while the pass still looks.
    onAddress: () => paths.room?.stir(),
  });
  workloads.onChange(() => {
    reconciler.wake();
    news.look();
  });
  reconciler.wake();
  lock.look();
  const halt = async (): Promise<void> => {
    kernel.stop();
    hooks.stop();
    reporter.stop();
    // First of all: what the engine asks meanwhile needs the reconciler.
    await plugin.stop();
    await Promise.all([lock.stop(), stream.stop(), renewal.stop(), reconciler.stop(), docker.stop()]);
    // After the last pass, which would have it listen again.
    names.stop();
    psk.stop();
    await relaying.stop();
    fallback.stop();
    paths.stop();
    await membership.saved();
  };
  return { lock, reconciler, stream, renewal, account, docker, names, paths, psk, hooks, relaying, halt };
}
