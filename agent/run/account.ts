/** What the agent has to say of this host, gathered from its parts when somebody asks: for the server and for people. */
import type { Failure, ReportBody } from '../../shared/api/report.ts';
import { version } from '../../shared/version.ts';
import type { Docker } from '../docker/room.ts';
import { statusOf } from '../attach/calls.ts';
import { type Fault, trackFailures } from '../failures.ts';
import type { Outside } from '../paths/mapped.ts';
import type { Reconciler } from '../reconcile.ts';
import { peerReports, trimReport } from '../report.ts';
import type { Context } from './context.ts';
import { ownEndpoints } from './paths.ts';

export interface Account {
  failures(): readonly Failure[];
  attachments(): ReportBody['attachments'];
  report(): ReportBody;
}

export function createAccount(
  context: Context,
  reconciler: Pick<Reconciler, 'reached' | 'wireguard'>,
  rooms: ReadonlyArray<{ faults(): readonly Fault[] }>,
  docker: Pick<Docker, 'wishes'>,
  outside: () => Outside & Pick<ReportBody, 'tlsPort'>,
): Account {
  const { membership, lock, subnetEnv, clock, attachments, workloads, ground } = context;
  let ownFailures: Failure[] = [];
  const account: Account = {
    failures: () => {
      ownFailures = trackFailures(
        ownFailures,
        [lock, membership, subnetEnv, workloads, ...rooms].flatMap((room) => room.faults()),
        clock.now(),
      );
      return [...reconciler.reached().failures, ...ownFailures];
    },
    attachments: () =>
      attachments.list().map((one) => {
        const { target, addresses, state } = statusOf(one, { ground });
        return { target, addresses: addresses.slice(0, 2), state: state === 'attached' ? state : 'waiting' };
      }),
    report: () => describeReport(context, reconciler, docker, { ...account, outside }),
  };
  return account;
}

function describeReport(
  context: Context,
  reconciler: Pick<Reconciler, 'reached' | 'wireguard'>,
  docker: Pick<Docker, 'wishes'>,
  own: Pick<Account, 'failures' | 'attachments'> & { outside: () => Outside & Pick<ReportBody, 'tlsPort'> },
): ReportBody {
  const { membership, host, selfId, settings, backend, workloads } = context;
  const { observed, applied } = reconciler.reached();
  const { listenPort } = settings();
  const { kind, version: backendVersion } = backend.seen();
  const map = membership.map();
  return trimReport({
    applied: applied ?? null,
    listenPort,
    declaredEndpoints: host.declaredEndpoints,
    localEndpoints: ownEndpoints(context, { observed }),
    ...own.outside(),
    peers: map === undefined ? [] : peerReports(map, selfId, reconciler.wireguard()),
    failures: [...own.failures()],
    attachments: own.attachments(),
    workloads: [...workloads.list()],
    advertise: [...docker.wishes()],
    backend: { kind, version: backendVersion },
    agentVersion: version,
  });
}
