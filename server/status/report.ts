/**
 * Takes in what agents report. Most of it is status and stays in memory; only endpoints, workloads and the return of a
 * host that was gone are what other hosts must know: those become a revision, and only when they changed.
 */
import type { ReportBody } from '../../shared/api/report.ts';
import type { HostId } from '../../shared/names.ts';
import type { Address } from '../../shared/net/address.ts';
import { fittingWorkloads, isSameWorkloads, ownWorkloads } from '../../shared/own-workloads.ts';
import type { Workload } from '../../shared/workload.ts';
import type { Deps } from '../deps.ts';
import {
  type EndpointFields,
  endpointFields,
  isSameEndpoints,
  isSamePublished,
  storedEndpoints,
} from '../hosts/endpoints.ts';
import { ownPrefixes } from '../hosts/own-prefixes.ts';
import { type StoredHost, findHost, readHost, recordWorkloads, updateHost } from '../store/hosts.ts';
import type { Position } from '../store/open.ts';
import { listAllPools } from '../store/pools.ts';
import { noteWishes } from '../subnets/wishes.ts';
import { markBack } from './gone.ts';

export interface ReportSource {
  readonly hostId: HostId;
  /** Where the report came from. */
  readonly remoteAddress: Address;
}

/** Answers where the mesh is. Throws `not-found` for a host that was removed meanwhile. */
export async function takeReport(deps: Deps, source: ReportSource, report: ReportBody): Promise<Position> {
  const { store, live, clock, config } = deps;
  const { hostId } = source;
  const host = await readHost(store.db, hostId);
  const alarmsBefore = live.host(hostId)?.lockAlarms ?? [];
  live.record(hostId, report, clock.now());
  await noteAlarms(deps, hostId, alarmsBefore);
  const pools = (await listAllPools(store.db)).map(({ prefix }) => prefix);
  const told = {
    ...pacedEndpoints(deps, host, endpointFields(report, source.remoteAddress, pools)),
    workloads: await believe(deps, host, report.workloads),
  };
  if (!isSameTold(host, told)) await saveTold(deps, hostId, told);
  if (report.advertise.length > 0) await noteWishes(store, hostId, report.advertise, config.url);
  if (host.isGone && deps.feed.isOnline(hostId)) await markBack(deps, hostId);
  return store.position();
}

/** Alarms of the lock stand in the audit, once when they begin. */
async function noteAlarms({ store, live }: Deps, hostId: HostId, before: readonly string[]): Promise<void> {
  const begun = (live.host(hostId)?.lockAlarms ?? []).filter((alarm) => !before.includes(alarm));
  if (begun.length === 0) return;
  await store.transact(`host:${hostId}`, async (tx) => tx.audit('lock.alarm', hostId, { alarms: begun }));
}

/** What a host whose endpoints flap says of them is left for its next report: everybody would have to hear of each. */
function pacedEndpoints({ live, clock, log }: Deps, host: StoredHost, said: EndpointFields): EndpointFields {
  if (isSamePublished(host, said) || live.mayTellEndpoints(host.id, clock.now())) return said;
  log.debug({ host: host.id }, 'endpoints flap, change held back');
  return storedEndpoints(host);
}

/** What is stored was checked before, so the same again needs no look at what the host owns. */
async function believe({ store }: Deps, host: StoredHost, said: readonly Workload[]): Promise<readonly Workload[]> {
  if (said.length === 0 || isSameWorkloads(host.workloads, said)) return said;
  return fittingWorkloads(ownWorkloads(said, await ownPrefixes(store.db, host.id)));
}

/** What a host says of itself that is kept in the store. */
type Told = EndpointFields & Pick<StoredHost, 'workloads'>;

const isSameTold = (host: StoredHost, told: Told): boolean =>
  isSameEndpoints(host, told) && isSameWorkloads(host.workloads, told.workloads);

/** A revision only where what others are told changed. */
async function saveTold({ store }: Deps, hostId: HostId, told: Told): Promise<void> {
  await store.transact(`host:${hostId}`, async (tx) => {
    const host = await findHost(tx.db, hostId);
    if (host === undefined || isSameTold(host, told)) return;
    if (isSameEndpoints(host, told)) await recordWorkloads(tx, hostId, told.workloads);
    else await updateHost(tx, hostId, told);
    if (host.state === 'active' && isPublishedChanged(host, told)) tx.touchHost(hostId);
  });
}

function isPublishedChanged(host: StoredHost, told: Told): boolean {
  return !isSamePublished(host, told) || !isSameWorkloads(host.workloads, told.workloads);
}
