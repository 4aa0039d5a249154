/** Workloads as the API lists them: by host id, then name, neither of which changes while one is there. */
import type { ShownWorkload } from '../../shared/api/workloads.ts';
import type { HostId } from '../../shared/names.ts';
import type { Label, SegmentName, Workload } from '../../shared/workload.ts';
import type { Db } from '../store/open.ts';
import { type Page, type PageRequest, makeNamePage, readNamePlace } from '../store/page.ts';
import { eachHostsWorkloads } from '../store/workloads.ts';

export interface WorkloadFilter {
  readonly service?: Label | undefined;
  readonly host?: HostId | undefined;
  readonly segment?: SegmentName | undefined;
}

const placePattern = /^(h[a-z2-7]{16})\/([a-z0-9_-]{1,63})$/;

export async function listWorkloads(db: Db, request: PageRequest & WorkloadFilter): Promise<Page<ShownWorkload>> {
  const place = readNamePlace(request.cursor, placePattern);
  const [, from, after = ''] = place ?? [];
  const found: ShownWorkload[] = [];
  for await (const { hostId, hostName, workloads } of eachHostsWorkloads(db, { from, hostId: request.host })) {
    for (const one of workloads) {
      if (hostId === from && one.name <= after) continue;
      if (isWanted(one, request)) found.push({ hostId, hostName, ...one });
    }
    if (found.length > request.limit) break;
  }
  return makeNamePage(found, request.limit, (last) => `${last.hostId}/${last.name}`);
}

const isWanted = ({ services, segment }: Workload, wanted: WorkloadFilter): boolean =>
  (wanted.service === undefined || services.includes(wanted.service)) &&
  (wanted.segment === undefined || segment === wanted.segment);
