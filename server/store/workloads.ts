/**
 * Workloads of active hosts, read a few hosts at a time: a mesh may run hundreds of thousands, and the process has other
 * things to do between two reads.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { HostId, HostName } from '../../shared/names.ts';
import type { Workload } from '../../shared/workload.ts';
import type { Db } from './schema.ts';

export interface WorkloadsOfHost {
  readonly hostId: HostId;
  readonly hostName: HostName;
  /** Ordered by name, one at least. */
  readonly workloads: readonly Workload[];
}

/** Active hosts that had workloads when they were last heard. */
export async function listRunners(db: Db): Promise<HostId[]> {
  const rows = await db
    .selectFrom('host')
    .select('id')
    .where('state', '=', 'active')
    .where('workloads', '!=', '[]')
    .execute();
  return rows.map(({ id }) => id);
}

const hostsPerRead = 100;

/** In order of host id, from `from` on. Hosts without workloads are left out. */
export async function* eachHostsWorkloads(
  db: Db,
  { from = '', hostId }: { from?: string | undefined; hostId?: HostId | undefined } = {},
): AsyncGenerator<WorkloadsOfHost> {
  let query = db
    .selectFrom('host')
    .select(['id', 'name', 'workloads'])
    .where('state', '=', 'active')
    .where('workloads', '!=', '[]')
    .orderBy('id')
    .limit(hostsPerRead);
  if (hostId !== undefined) query = query.where('id', '=', hostId);
  let rows = await query.where('id', '>=', from as HostId).execute();
  while (rows.length > 0) {
    for (const { id, name, workloads } of rows) {
      yield { hostId: id, hostName: name, workloads: JSON.parse(workloads) as Workload[] };
    }
    const last = rows.at(-1)?.id;
    if (rows.length < hostsPerRead || last === undefined) return;
    await nextTurn();
    rows = await query.where('id', '>', last).execute();
  }
}
