/**
 * Takes in what agents report. Most of it is status and stays in memory; only endpoints, and the return of a host that
 * was gone, are what other hosts must know: those become a revision, and only when they changed.
 */
import type { ReportBody } from '../../shared/api/report.ts';
import type { HostId } from '../../shared/names.ts';
import type { Address } from '../../shared/net/address.ts';
import type { Deps } from '../deps.ts';
import { type EndpointFields, endpointFields, isSameEndpoints, publishedEndpoints } from '../hosts/endpoints.ts';
import { type StoredHost, findHost, readHost, updateHost } from '../store/hosts.ts';
import { readMeshSettings } from '../store/meta.ts';
import type { Position } from '../store/open.ts';
import { markBack } from './gone.ts';

export interface ReportSource {
  readonly hostId: HostId;
  /** Where the report came from. */
  readonly remoteAddress: Address;
}

/** Answers where the mesh is. Throws `not-found` for a host that was removed meanwhile. */
export async function takeReport(deps: Deps, source: ReportSource, report: ReportBody): Promise<Position> {
  const { store, live, clock } = deps;
  const { hostId } = source;
  const host = await readHost(store.db, hostId);
  live.record(hostId, report, clock.now());
  const { overlayPools, containerPools } = await readMeshSettings(store.db);
  const fields = endpointFields(report, source.remoteAddress, [...overlayPools, ...containerPools]);
  if (!isSameEndpoints(host, fields)) await saveEndpoints(deps, hostId, fields);
  if (host.isGone && deps.feed.isOnline(hostId)) await markBack(deps, hostId);
  return store.position();
}

/** A revision only where the list that others are told changed. */
async function saveEndpoints({ store }: Deps, hostId: HostId, fields: EndpointFields): Promise<void> {
  await store.transact(`host:${hostId}`, async (tx) => {
    const host = await findHost(tx.db, hostId);
    if (host === undefined || isSameEndpoints(host, fields)) return;
    await updateHost(tx, hostId, fields);
    if (host.state === 'active' && isPublishedChanged(host, fields)) tx.touchHost(hostId);
  });
}

function isPublishedChanged(host: StoredHost, fields: EndpointFields): boolean {
  return publishedEndpoints(host).join() !== publishedEndpoints(fields).join();
}
