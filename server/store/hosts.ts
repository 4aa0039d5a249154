/** Hosts. Whoever changes a row that others see calls `tx.touchHost` (or `forgetHost`) as well. */
import type { Selectable, Updateable } from 'kysely';
import { WarrenError } from '../../shared/errors.ts';
import type { HostId, HostName } from '../../shared/names.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { Nat } from '../../shared/network-map.ts';
import type { HostState } from '../../shared/protocol.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { Workload } from '../../shared/workload.ts';
import { makeId } from './ids.ts';
import { type Page, type PageRequest, makePage, readPlace } from './page.ts';
import type { Db, Flag, HostTable } from './schema.ts';
import type { Tx } from './transact.ts';

export interface StoredHost {
  readonly id: HostId;
  readonly name: HostName;
  readonly state: HostState;
  readonly tags: readonly string[];
  readonly publicKey: PublicKey | null;
  /** SHA-256 of the SubjectPublicKeyInfo of the host's identity key. */
  readonly identitySpki: string | null;
  readonly listenPort: number | null;
  /** Named by the operator, best first. */
  readonly declaredEndpoints: readonly Endpoint[];
  /** Made of the host's own addresses, best first. */
  readonly localEndpoints: readonly Endpoint[];
  /** Where other hosts see its packets come from, as it told, best first. */
  readonly mappedEndpoints: readonly Endpoint[];
  /** Guessed by the server from where its calls come from. */
  readonly observedEndpoints: readonly Endpoint[];
  readonly nat: Nat;
  readonly isRelay: boolean;
  /** Where it takes in hosts that no UDP packet reaches, as it told. */
  readonly tlsPort: number | null;
  /** What runs there, ordered by name. */
  readonly workloads: readonly Workload[];
  readonly isEphemeral: boolean;
  readonly isGone: boolean;
  readonly isRotationDue: boolean;
  readonly createdAt: number;
  readonly enrolledAt: number | null;
  readonly lastSeenAt: number | null;
  readonly appliedRevision: number | null;
  readonly agentVersion: string | null;
  readonly tokenId: string | null;
  /** The revision at which what other hosts know of this one last changed. */
  readonly mapRevision: number;
  readonly version: number;
}

/** What a row may be made with or changed to. */
export type HostFields = Omit<StoredHost, 'id' | 'createdAt' | 'mapRevision' | 'version'>;

export type NewHost = Pick<HostFields, 'name' | 'state'> & Partial<HostFields> & { id?: HostId };

export async function findHost(db: Db, id: HostId): Promise<StoredHost | undefined> {
  return findBy(db, 'id', id);
}

/** Throws `not-found`. */
export async function readHost(db: Db, id: HostId): Promise<StoredHost> {
  const host = await findHost(db, id);
  if (host === undefined) throw new WarrenError('not-found', `there is no host ${id}; see \`warren host ls\``);
  return host;
}

export async function findHostByName(db: Db, name: HostName): Promise<StoredHost | undefined> {
  return findBy(db, 'name', name);
}

export async function findHostByPublicKey(db: Db, publicKey: PublicKey): Promise<StoredHost | undefined> {
  return findBy(db, 'public_key', publicKey);
}

export async function findHostByIdentity(db: Db, identitySpki: string): Promise<StoredHost | undefined> {
  return findBy(db, 'identity_spki', identitySpki);
}

export async function findHosts(db: Db, ids: readonly HostId[]): Promise<StoredHost[]> {
  if (ids.length === 0) return [];
  const rows = await db.selectFrom('host').selectAll().where('id', 'in', ids).orderBy('id').execute();
  return rows.map(toHost);
}

export async function listHosts(
  db: Db,
  request: PageRequest & { state?: HostState | undefined; name?: HostName | undefined },
): Promise<Page<StoredHost>> {
  const place = readPlace(request.cursor);
  let query = db.selectFrom('host').selectAll().orderBy('created_at').orderBy('id');
  if (place !== undefined) {
    query = query.where((eb) =>
      eb(eb.refTuple('created_at', 'id'), '>', eb.tuple(place.createdAt, place.id as HostId)),
    );
  }
  if (request.state !== undefined) query = query.where('state', '=', request.state);
  if (request.name !== undefined) query = query.where('name', '=', request.name);
  const rows = await query.limit(request.limit + 1).execute();
  return makePage(rows.map(toHost), request.limit);
}

export async function countHosts(db: Db): Promise<Record<HostState, number>> {
  const rows = await db
    .selectFrom('host')
    .select(({ fn }) => ['state', fn.countAll<number>().as('count')])
    .groupBy('state')
    .execute();
  const counts: Record<HostState, number> = { registered: 0, pending: 0, active: 0, disabled: 0 };
  for (const { state, count } of rows) counts[state] = count;
  return counts;
}

/** Ephemeral hosts that nobody saw since `before` (ms). */
export async function listAwayEphemeralHosts(db: Db, before: number): Promise<StoredHost[]> {
  const rows = await db
    .selectFrom('host')
    .selectAll()
    .where('is_ephemeral', '=', 1)
    .where('enrolled_at', 'is not', null)
    .where(({ fn }) => fn.coalesce('last_seen_at', 'enrolled_at'), '<', before)
    .orderBy('id')
    .execute();
  return rows.map(toHost);
}

/** Throws what SQLite says when name, key or identity is taken; look first for a better message. */
export async function insertHost(tx: Tx, host: NewHost): Promise<StoredHost> {
  const row = await tx.db
    .insertInto('host')
    .values({
      ...rowOf(host),
      id: host.id ?? makeId('h', (bytes) => tx.random(bytes)),
      name: host.name,
      state: host.state,
      tags: JSON.stringify(host.tags ?? []),
      created_at: tx.now,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return toHost(row);
}

/** Changes the row and its version. Throws `not-found`. */
export async function updateHost(tx: Tx, id: HostId, fields: Partial<HostFields>): Promise<StoredHost> {
  const row = await tx.db
    .updateTable('host')
    .set((eb) => ({ ...rowOf(fields), version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst();
  if (row === undefined) throw new WarrenError('not-found', `there is no host ${id}; see \`warren host ls\``);
  return toHost(row);
}

/** What reports bring that nobody else must know: no new version. An unknown host is left out. */
export async function recordSeen(
  tx: Tx,
  id: HostId,
  seen: Partial<Pick<HostFields, 'lastSeenAt' | 'appliedRevision' | 'agentVersion'>>,
): Promise<void> {
  const row = rowOf(seen);
  if (Object.keys(row).length > 0) await tx.db.updateTable('host').set(row).where('id', '=', id).execute();
}

/** What runs on the host. It is no part of the host as operators see and change it: no new version. */
export async function recordWorkloads(tx: Tx, id: HostId, workloads: readonly Workload[]): Promise<void> {
  await tx.db.updateTable('host').set(rowOf({ workloads })).where('id', '=', id).execute();
}

/** Removes the row with its certificates, leases, subnets and publications. False when there was none. */
export async function deleteHost(tx: Tx, id: HostId): Promise<boolean> {
  const { numDeletedRows } = await tx.db.deleteFrom('host').where('id', '=', id).executeTakeFirst();
  return numDeletedRows > 0n;
}

async function findBy(
  db: Db,
  column: 'id' | 'name' | 'public_key' | 'identity_spki',
  value: string,
): Promise<StoredHost | undefined> {
  const row = await db
    .selectFrom('host')
    .selectAll()
    .where((eb) => eb(eb.ref(column), '=', value as HostId))
    .executeTakeFirst();
  return row === undefined ? undefined : toHost(row);
}

export function toHost(row: Selectable<HostTable>): StoredHost {
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    tags: JSON.parse(row.tags) as string[],
    publicKey: row.public_key,
    identitySpki: row.identity_spki,
    listenPort: row.listen_port,
    declaredEndpoints: JSON.parse(row.declared_endpoints) as Endpoint[],
    localEndpoints: JSON.parse(row.local_endpoints) as Endpoint[],
    mappedEndpoints: JSON.parse(row.mapped_endpoints) as Endpoint[],
    observedEndpoints: JSON.parse(row.observed_endpoints) as Endpoint[],
    nat: row.nat,
    isRelay: row.is_relay === 1,
    tlsPort: row.tls_port,
    workloads: JSON.parse(row.workloads) as Workload[],
    isEphemeral: row.is_ephemeral === 1,
    isGone: row.is_gone === 1,
    isRotationDue: row.is_rotation_due === 1,
    createdAt: row.created_at,
    enrolledAt: row.enrolled_at,
    lastSeenAt: row.last_seen_at,
    appliedRevision: row.applied_revision,
    agentVersion: row.agent_version,
    tokenId: row.token_id,
    mapRevision: row.map_revision,
    version: row.version,
  };
}

function rowOf(fields: Partial<HostFields>): Updateable<HostTable> {
  const row: { [Column in keyof HostTable]?: unknown } = {
    name: fields.name,
    state: fields.state,
    tags: json(fields.tags),
    public_key: fields.publicKey,
    identity_spki: fields.identitySpki,
    listen_port: fields.listenPort,
    declared_endpoints: json(fields.declaredEndpoints),
    local_endpoints: json(fields.localEndpoints),
    mapped_endpoints: json(fields.mappedEndpoints),
    observed_endpoints: json(fields.observedEndpoints),
    nat: fields.nat,
    is_relay: flag(fields.isRelay),
    tls_port: fields.tlsPort,
    workloads: json(fields.workloads),
    is_ephemeral: flag(fields.isEphemeral),
    is_gone: flag(fields.isGone),
    is_rotation_due: flag(fields.isRotationDue),
    enrolled_at: fields.enrolledAt,
    last_seen_at: fields.lastSeenAt,
    applied_revision: fields.appliedRevision,
    agent_version: fields.agentVersion,
    token_id: fields.tokenId,
  };
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined));
}

const json = (value: readonly unknown[] | undefined): string | undefined =>
  value === undefined ? undefined : JSON.stringify(value);

const flag = (value: boolean | undefined): Flag | undefined => (value === undefined ? undefined : value ? 1 : 0);
