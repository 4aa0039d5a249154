/** Reads what network maps and deltas are made of, with few set-based queries whatever the number of hosts. */
import type { HostId } from '../../shared/names.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { Changes, MapRow } from '../netmap/build.ts';
import { groupBy } from './group.ts';
import { readMeshSettings, readMeta } from './meta.ts';
import type { Db } from './schema.ts';

/** Hosts of the map after `after` in order of id, at most `limit`. */
export async function readActiveRows(db: Db, after: string, limit: number): Promise<MapRow[]> {
  const hosts = await selectHosts(db)
    .where('state', '=', 'active')
    .where('id', '>', after as HostId)
    .orderBy('id')
    .limit(limit)
    .execute();
  const [first, last] = [hosts[0]?.id, hosts.at(-1)?.id];
  if (first === undefined || last === undefined) return [];
  const leases = await selectLeases(db).where('host_id', '>=', first).where('host_id', '<=', last).execute();
  const subnets = await selectSubnets(db).where('host_id', '>=', first).where('host_id', '<=', last).execute();
  return joinRows(hosts, leases, subnets);
}

/**
 * What changed after `from`, read within one snapshot. Undefined when deltas do not reach back that far, or when so much
 * changed that a full map is the shorter answer.
 */
export async function readChanges(db: Db, from: number): Promise<Changes | undefined> {
  const { epoch, revision, oldestRevision, meshRevision } = await readMeta(db);
  if (from < oldestRevision || from > revision) return undefined;
  if (await isMuch(db, from)) return undefined;
  const hosts = await selectHosts(db).where('map_revision', '>', from).execute();
  const ids = db.selectFrom('host').select('id').where('map_revision', '>', from);
  const leases = await selectLeases(db).where('host_id', 'in', ids).execute();
  const subnets = await selectSubnets(db).where('host_id', 'in', ids).execute();
  const left = await db.selectFrom('tombstone').select('host_id').where('revision', '>', from).execute();
  const mesh = meshRevision > from ? await readMeshSettings(db) : undefined;
  const rows = joinRows(hosts, leases, subnets);
  return { epoch, from, revision, rows, left: left.map(({ host_id }) => host_id), mesh };
}

/** Plain records take about three times the bytes of compressed ones; small meshes are not worth the count. */
const manyHosts = 500;

async function isMuch(db: Db, from: number): Promise<boolean> {
  const changed = await countHosts(db, from);
  return changed > manyHosts && changed * 3 > (await countHosts(db, -1));
}

async function countHosts(db: Db, from: number): Promise<number> {
  const { count } = await db
    .selectFrom('host')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('map_revision', '>', from)
    .executeTakeFirstOrThrow();
  return count;
}

const selectHosts = (db: Db) =>
  db
    .selectFrom('host')
    .select([
      'id',
      'name',
      'state',
      'public_key',
      'declared_endpoints',
      'local_endpoints',
      'mapped_endpoints',
      'observed_endpoints',
      'nat',
      'is_relay',
      'tls_port',
      'is_gone',
      'workloads',
    ]);

const selectLeases = (db: Db) => db.selectFrom('lease').select(['host_id', 'kind', 'family', 'prefix']);

const selectSubnets = (db: Db) =>
  db.selectFrom('subnet').select(['host_id', 'prefix', 'weight']).where('state', '=', 'approved');

type Rows<Select extends (db: Db) => { execute(): Promise<unknown[]> }> = Awaited<
  ReturnType<ReturnType<Select>['execute']>
>;

function joinRows(
  hosts: Rows<typeof selectHosts>,
  leases: Rows<typeof selectLeases>,
  subnets: Rows<typeof selectSubnets>,
): MapRow[] {
  const leasesOf = groupBy(leases, (lease) => lease.host_id);
  const subnetsOf = groupBy(subnets, (subnet) => subnet.host_id);
  return hosts.map((host) => ({
    id: host.id,
    name: host.name,
    state: host.state,
    publicKey: host.public_key,
    endpoints: {
      declared: readEndpoints(host.declared_endpoints),
      mapped: readEndpoints(host.mapped_endpoints),
      observed: readEndpoints(host.observed_endpoints),
      local: readEndpoints(host.local_endpoints),
    },
    nat: host.nat,
    isRelay: host.is_relay === 1,
    tlsPort: host.tls_port,
    isGone: host.is_gone === 1,
    workloads: host.workloads,
    leases: leasesOf.get(host.id) ?? [],
    subnets: subnetsOf.get(host.id) ?? [],
  }));
}

const readEndpoints = (text: string): Endpoint[] => (text === '[]' ? [] : (JSON.parse(text) as Endpoint[]));
