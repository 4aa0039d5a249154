/** Advertised subnets. Whoever changes one that others see calls `tx.touchHost` for its host as well. */
import { WarrenError } from '../../shared/errors.ts';
import type { HostId, HostName } from '../../shared/names.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import { makeId } from './ids.ts';
import { type Page, type PageRequest, makePage, readPlace } from './page.ts';
import type { Db, SubnetState } from './schema.ts';
import type { Tx } from './transact.ts';

export interface StoredSubnet {
  readonly id: string;
  readonly hostId: HostId;
  readonly hostName: HostName;
  readonly prefix: Cidr;
  readonly weight: number;
  readonly state: SubnetState;
  readonly createdAt: number;
  readonly version: number;
}

/** One active host's approved claim on a prefix, as `owners()` weighs it. */
export interface SubnetClaim {
  readonly prefix: Cidr;
  readonly weight: number;
  readonly hostId: HostId;
  readonly hostName: HostName;
  readonly isGone: boolean;
}

export async function findSubnet(db: Db, id: string): Promise<StoredSubnet | undefined> {
  return select(db).where('subnet.id', '=', id).executeTakeFirst();
}

export async function listSubnets(
  db: Db,
  request: PageRequest & { state?: SubnetState | undefined; hostId?: HostId | undefined },
): Promise<Page<StoredSubnet>> {
  const place = readPlace(request.cursor);
  let query = select(db).orderBy('subnet.created_at').orderBy('subnet.id');
  if (place !== undefined) {
    query = query.where((eb) =>
      eb(eb.refTuple('subnet.created_at', 'subnet.id'), '>', eb.tuple(place.createdAt, place.id)),
    );
  }
  if (request.state !== undefined) query = query.where('subnet.state', '=', request.state);
  if (request.hostId !== undefined) query = query.where('subnet.host_id', '=', request.hostId);
  return makePage(await query.limit(request.limit + 1).execute(), request.limit);
}

/** All subnets of one host. */
export async function listSubnetsOfHost(db: Db, hostId: HostId): Promise<StoredSubnet[]> {
  return select(db).where('subnet.host_id', '=', hostId).orderBy('subnet.created_at').orderBy('subnet.id').execute();
}

/** Who of the active hosts has an approved claim on these prefixes. */
export async function listClaims(db: Db, prefixes: readonly Cidr[]): Promise<SubnetClaim[]> {
  if (prefixes.length === 0) return [];
  const rows = await db
    .selectFrom('subnet')
    .innerJoin('host', 'host.id', 'subnet.host_id')
    .select([
      'subnet.prefix',
      'subnet.weight',
      'subnet.host_id as hostId',
      'host.name as hostName',
      'host.is_gone as isGone',
    ])
    .where('subnet.prefix', 'in', prefixes)
    .where('subnet.state', '=', 'approved')
    .where('host.state', '=', 'active')
    .execute();
  return rows.map((row) => ({ ...row, isGone: row.isGone === 1 }));
}

/** Every approved prefix, once; for checks that a new pool or subnet overlaps none. */
export async function listApprovedPrefixes(db: Db): Promise<Cidr[]> {
  const rows = await db
    .selectFrom('subnet')
    .select('prefix')
    .distinct()
    .where('state', '=', 'approved')
    .orderBy('prefix')
    .execute();
  return rows.map(({ prefix }) => prefix);
}

export async function countSubnets(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('subnet')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return count;
}

/** Throws what SQLite says when the host has this prefix; look first for a better message. */
export async function insertSubnet(
  tx: Tx,
  subnet: Pick<StoredSubnet, 'hostId' | 'prefix' | 'weight' | 'state'>,
): Promise<StoredSubnet> {
  const id = makeId('s', (bytes) => tx.random(bytes));
  const { hostId: host_id, prefix, weight, state } = subnet;
  await tx.db.insertInto('subnet').values({ id, host_id, prefix, weight, state, created_at: tx.now }).execute();
  return readSubnet(tx.db, id);
}

/** Changes the row and its version. Throws `not-found`. */
export async function updateSubnet(
  tx: Tx,
  id: string,
  fields: Partial<Pick<StoredSubnet, 'weight' | 'state'>>,
): Promise<StoredSubnet> {
  await tx.db
    .updateTable('subnet')
    .set((eb) => ({ ...fields, version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .execute();
  return readSubnet(tx.db, id);
}

export async function deleteSubnet(tx: Tx, id: string): Promise<boolean> {
  const { numDeletedRows } = await tx.db.deleteFrom('subnet').where('id', '=', id).executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Throws `not-found`. */
export async function readSubnet(db: Db, id: string): Promise<StoredSubnet> {
  const subnet = await findSubnet(db, id);
  if (subnet === undefined) throw new WarrenError('not-found', `there is no subnet ${id}; see \`warren subnet ls\``);
  return subnet;
}

const select = (db: Db) =>
  db
    .selectFrom('subnet')
    .innerJoin('host', 'host.id', 'subnet.host_id')
    .select([
      'subnet.id',
      'subnet.host_id as hostId',
      'host.name as hostName',
      'subnet.prefix',
      'subnet.weight',
      'subnet.state',
      'subnet.created_at as createdAt',
      'subnet.version',
    ]);
