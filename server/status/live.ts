/**
 * What hosts last said of themselves, in memory: status, not truth. It is lost with the process and comes back with the
 * next reports; only `takeUnsaved` is written to the store, lazily. Nothing here decides who may do what, and its size
 * is bounded whatever the agents send.
 */
import type { Failure, PeerReport, ReportBody } from '../../shared/api/report.ts';
import type { HostId } from '../../shared/names.ts';
import type { Cursor } from '../../shared/protocol.ts';
import { createPace } from './pace.ts';

/** The few facts that are kept of every host. */
export interface LiveHost {
  /** When the last report came, ms. */
  readonly seenAt: number;
  /** What the host says is in its kernel; null before its first map. */
  readonly applied: Cursor | null;
  readonly agentVersion: string;
  readonly backend: ReportBody['backend'];
  readonly containers: number;
  /** Names it told of; what is kept of them may be fewer. */
  readonly workloads: number;
  /** Alarms of the lock, by kind and subject. */
  readonly lockAlarms: readonly string[];
}

/** The long lists, kept for the hosts that reported last, as far as they fit. */
export interface LiveDetail {
  readonly peers: PeerReport[];
  readonly failures: Failure[];
}

export interface Sighting {
  readonly hostId: HostId;
  readonly seenAt: number;
  readonly applied: Cursor | null;
  readonly agentVersion: string;
}

export interface LiveReports {
  record(hostId: HostId, report: ReportBody, now: number): void;
  host(hostId: HostId): LiveHost | undefined;
  /** Empty lists where nothing is known. */
  detail(hostId: HostId): LiveDetail;
  /** How many hosts reported since the process started. */
  hostCount(): number;
  /** Those of them that told of workloads. */
  runners(): HostId[];
  /** Alarms of the lock that hosts have now. */
  lockAlarmCount(): number;
  /** Workloads of all of them. */
  workloadCount(): number;
  /** True, and counted, when a change of the host's endpoints may be told to everybody now. */
  mayTellEndpoints(hostId: HostId, now: number): boolean;
  forget(hostId: HostId): void;
  /** Sightings since the last call, newest value per host. */
  takeUnsaved(): Sighting[];
}

/** Characters of JSON kept for details: about 1,300 hosts with the 256 peers that a report holds at most. */
const defaultDetailChars = 64 * 1024 * 1024;

export function createLiveReports({ detailChars = defaultDetailChars }: { detailChars?: number } = {}): LiveReports {
  const hosts = new Map<HostId, LiveHost>();
  const unsaved = new Set<HostId>();
  const details = createDetails(detailChars);
  const pace = createPace();
  return {
    record: (hostId, report, now) => {
      hosts.set(hostId, {
        seenAt: now,
        applied: report.applied,
        agentVersion: report.agentVersion,
        backend: report.backend,
        containers: countContainers(report),
        workloads: report.workloads.length,
        lockAlarms: lockAlarmsOf(report.failures),
      });
      details.set(hostId, { peers: report.peers, failures: report.failures });
      unsaved.add(hostId);
    },
    host: (hostId) => hosts.get(hostId),
    detail: (hostId) => details.get(hostId),
    hostCount: () => hosts.size,
    runners: () => [...hosts].flatMap(([hostId, { workloads }]) => (workloads > 0 ? [hostId] : [])),
    lockAlarmCount: () => [...hosts.values()].reduce((sum, host) => sum + host.lockAlarms.length, 0),
    workloadCount: () => [...hosts.values()].reduce((sum, host) => sum + host.workloads, 0),
    mayTellEndpoints: (hostId, now) => pace.mayTell(hostId, now),
    forget: (hostId) => {
      pace.forget(hostId);
      hosts.delete(hostId);
      unsaved.delete(hostId);
      details.delete(hostId);
    },
    takeUnsaved: () => {
      const sightings = [...unsaved].flatMap((hostId) => sightingOf(hostId, hosts.get(hostId)));
      unsaved.clear();
      return sightings;
    },
  };
}

/** In words; what a host does not take because no key of the lock has signed it. */
export const lockAlarmsOf = (failures: readonly Failure[]): string[] =>
  failures.filter(({ kind }) => kind.startsWith('lock-')).map(({ kind, subject }) => `${kind} ${subject}`);

/** What has a name, and what is attached without one: a container that is both is one. */
function countContainers({ workloads, attachments }: ReportBody): number {
  const named = new Set(workloads.flatMap(({ addresses }) => addresses));
  const bare = attachments.filter(
    ({ state, addresses }) => state === 'attached' && !addresses.some((address) => named.has(address)),
  );
  return workloads.length + bare.length;
}

function sightingOf(hostId: HostId, host: LiveHost | undefined): Sighting[] {
  if (host === undefined) return [];
  return [{ hostId, seenAt: host.seenAt, applied: host.applied, agentVersion: host.agentVersion }];
}

interface Details {
  set(hostId: HostId, detail: LiveDetail): void;
  get(hostId: HostId): LiveDetail;
  delete(hostId: HostId): void;
}

/** Kept as JSON text, a fifth of the memory of the objects; the host that reported longest ago gives way first. */
function createDetails(maxChars: number): Details {
  const texts = new Map<HostId, string>();
  let chars = 0;
  const remove = (hostId: HostId): void => {
    chars -= texts.get(hostId)?.length ?? 0;
    texts.delete(hostId);
  };
  return {
    set: (hostId, detail) => {
      const text = JSON.stringify(detail);
      remove(hostId);
      texts.set(hostId, text);
      chars += text.length;
      for (const oldest of texts.keys()) {
        if (chars <= maxChars) break;
        remove(oldest);
      }
    },
    get: (hostId) => {
      const text = texts.get(hostId);
      return text === undefined ? { peers: [], failures: [] } : (JSON.parse(text) as LiveDetail);
    },
    delete: remove,
  };
}
