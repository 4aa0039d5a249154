/** Published ports. They are part of the mesh's settings: whoever changes one calls `tx.touchMesh` as well. */
import { WarrenError } from '../../shared/errors.ts';
import type { HostId, HostName } from '../../shared/names.ts';
import type { Publication, Transport } from '../../shared/workload.ts';
import { makeId } from './ids.ts';
import { type Page, type PageRequest, makePage, readPlace } from './page.ts';
import type { Db } from './schema.ts';
import type { Tx } from './transact.ts';

export interface StoredPublication extends Publication {
  /** Null where it is on every host. */
  readonly hostName: HostName | null;
  readonly createdAt: number;
}

/** Ordered by id, as the network map holds them. */
export async function listAllPublications(db: Db): Promise<Publication[]> {
  return db
    .selectFrom('publication')
    .select(['id', 'service', 'target_port as targetPort', 'protocol', 'port', 'host_id as hostId'])
    .orderBy('id')
    .execute();
}

export async function listPublications(db: Db, request: PageRequest): Promise<Page<StoredPublication>> {
  const place = readPlace(request.cursor);
  let query = select(db).orderBy('publication.created_at').orderBy('publication.id');
  if (place !== undefined) {
    query = query.where((eb) =>
      eb(eb.refTuple('publication.created_at', 'publication.id'), '>', eb.tuple(place.createdAt, place.id)),
    );
  }
  return makePage(await query.limit(request.limit + 1).execute(), request.limit);
}

/** Who has this port already, on whichever hosts. */
export async function listPublicationsOfPort(
  db: Db,
  { port, protocol }: { port: number; protocol: Transport },
): Promise<StoredPublication[]> {
  return select(db)
    .where('publication.port', '=', port)
    .where('publication.protocol', '=', protocol)
    .orderBy('publication.id')
    .execute();
}

export async function countPublications(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('publication')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return count;
}

/** Throws `not-found`. */
export async function readPublication(db: Db, id: string): Promise<StoredPublication> {
  const found = await select(db).where('publication.id', '=', id).executeTakeFirst();
  if (found === undefined) throw notThere(id);
  return found;
}

export async function insertPublication(tx: Tx, publication: Omit<Publication, 'id'>): Promise<StoredPublication> {
  const id = makeId('p', (bytes) => tx.random(bytes));
  const { service, targetPort: target_port, protocol, port, hostId: host_id } = publication;
  await tx.db
    .insertInto('publication')
    .values({ id, service, target_port, protocol, port, host_id, created_at: tx.now })
    .execute();
  return readPublication(tx.db, id);
}

export async function deletePublication(tx: Tx, id: string): Promise<void> {
  await tx.db.deleteFrom('publication').where('id', '=', id).execute();
}

/** Those on this host alone; answers how many there were. */
export async function deletePublicationsOfHost(tx: Tx, hostId: HostId): Promise<number> {
  const { numDeletedRows } = await tx.db.deleteFrom('publication').where('host_id', '=', hostId).executeTakeFirst();
  return Number(numDeletedRows);
}

const notThere = (id: string): WarrenError =>
  new WarrenError('not-found', `there is no publication ${id}; see \`warren publish ls\``);

const select = (db: Db) =>
  db
    .selectFrom('publication')
    .leftJoin('host', 'host.id', 'publication.host_id')
    .select([
      'publication.id',
      'publication.service',
      'publication.target_port as targetPort',
      'publication.protocol',
      'publication.port',
      'publication.host_id as hostId',
      'host.name as hostName',
      'publication.created_at as createdAt',
    ]);
