/**
 * Tells the server what was reached: soon after something changed, spread over time so that a mesh does not answer one
 * change with one stampede, and now and then when idle.
 */
import type { Logger } from 'pino';
import type { PeerReport, ReportBody } from '../shared/api/report.ts';
import { type WarrenError, asWarrenError } from '../shared/errors.ts';
import type { HostId } from '../shared/names.ts';
import type { NetworkMap } from '../shared/network-map.ts';
import { type Clock, type Timer, timeOf } from './clock.ts';
import type { ObservedWireguard } from './plan/observed.ts';
import type { ServerLink } from './transport.ts';

export interface ReporterOptions {
  readonly link: ServerLink;
  readonly clock: Clock;
  readonly log: Logger;
  /** What to say now; undefined while there is nothing to say or nobody to say it to. */
  readonly collect: () => ReportBody | undefined;
  /** Hosts in the mesh; the more, the wider reports are spread. */
  readonly hostCount: () => number;
  readonly onRefused: (error: WarrenError) => void;
}

export interface Reporter {
  /** Something the server should know has changed; what is urgent concerns this host alone and is not spread. */
  changed(news: { readonly isUrgent: boolean }): void;
  /** From the server's standing. */
  setInterval(seconds: number): void;
  stop(): void;
}

const soonestMs = 200;
const spreadPerHostMs = 2;
const widestSpreadMs = 20_000;
const longestRetryMs = 60_000;

export function createReporter(options: ReporterOptions): Reporter {
  const { link, clock, log } = options;
  let intervalMs = 60_000;
  let due: { at: number; timer: Timer } | undefined;
  let isSending = false;
  let isStopped = false;
  let failed = 0;

  const schedule = (ms: number): void => {
    const at = clock.now() + ms;
    if (isStopped || (due !== undefined && due.at <= at)) return;
    due?.timer.cancel();
    due = { at, timer: clock.after(ms, () => void send()) };
  };
  const send = async (): Promise<void> => {
    due = undefined;
    if (isSending) return schedule(soonestMs);
    const body = options.collect();
    if (body === undefined) return schedule(idleMs());
    isSending = true;
    try {
      await link.report(body);
      failed = 0;
      log.debug({ applied: body.applied?.revision }, 'report sent');
    } catch (error) {
      const reason = asWarrenError(error);
      failed += 1;
      log[failed === 1 ? 'info' : 'debug']({ why: reason.message, code: reason.code }, 'report not sent');
      if (!isStopped) options.onRefused(reason);
    } finally {
      isSending = false;
    }
    schedule(failed === 0 ? idleMs() : retryMs());
  };
  const idleMs = (): number => intervalMs * (0.9 + 0.2 * clock.random());
  const retryMs = (): number =>
    Math.min(longestRetryMs, 1000 * 2 ** Math.min(failed, 8)) * (0.5 + 0.5 * clock.random());
  schedule(idleMs());
  return {
    changed: ({ isUrgent }) => {
      if (failed > 0) return;
      const spreadMs = isUrgent ? 0 : Math.min(widestSpreadMs, spreadPerHostMs * options.hostCount());
      schedule(soonestMs + clock.random() * spreadMs);
    },
    setInterval: (seconds) => {
      if (intervalMs === seconds * 1000) return;
      intervalMs = seconds * 1000;
      schedule(idleMs());
    },
    stop: () => {
      isStopped = true;
      due?.timer.cancel();
    },
  };
}

/** What WireGuard knows of each peer of the map. */
export function peerReports(map: NetworkMap, selfId: HostId, wireguard: ObservedWireguard | undefined): PeerReport[] {
  const reports: PeerReport[] = [];
  for (const host of map.hosts) {
    const peer = host.id === selfId ? undefined : wireguard?.peers.get(host.publicKey);
    if (peer === undefined) continue;
    reports.push({
      hostId: host.id,
      endpoint: peer.endpoint ?? null,
      handshakeAt: peer.handshakeAt === 0 ? null : timeOf(peer.handshakeAt),
      rxBytes: peer.rxBytes,
      txBytes: peer.txBytes,
    });
  }
  return reports;
}

/** Keeps a report within what the server takes: newest handshakes first, longest failures first. */
export function trimReport(body: ReportBody): ReportBody {
  const peers = [...body.peers].sort((a, b) => ((a.handshakeAt ?? '') < (b.handshakeAt ?? '') ? 1 : -1));
  return {
    ...body,
    peers: peers.slice(0, 256),
    failures: body.failures.slice(0, 64),
    attachments: body.attachments.slice(0, 1024),
    advertise: body.advertise.slice(0, 64),
  };
}
