/** Segments with properties. They are part of the mesh's settings: whoever changes one calls `tx.touchMesh` as well. */
import type { Segment, SegmentName } from '../../shared/workload.ts';
import type { Db } from './schema.ts';
import type { Tx } from './transact.ts';

export interface StoredSegment extends Segment {
  readonly createdAt: number;
}

/** Ordered by name, as the network map holds them. */
export async function listAllSegments(db: Db): Promise<Segment[]> {
  return db.selectFrom('segment').select(['name', 'kind', 'vni']).orderBy('name').execute();
}

/** With what only the API shows; at most as many as a map holds. */
export async function listStoredSegments(db: Db): Promise<StoredSegment[]> {
  return select(db).orderBy('name').execute();
}

export async function findSegment(db: Db, name: SegmentName): Promise<StoredSegment | undefined> {
  return select(db).where('name', '=', name).executeTakeFirst();
}

/** Throws what SQLite says when the name or the VNI is taken; look first for a better message. */
export async function insertSegment(tx: Tx, segment: Segment): Promise<StoredSegment> {
  await tx.db
    .insertInto('segment')
    .values({ ...segment, created_at: tx.now })
    .execute();
  return { ...segment, createdAt: tx.now };
}

export async function deleteSegment(tx: Tx, name: SegmentName): Promise<boolean> {
  const { numDeletedRows } = await tx.db.deleteFrom('segment').where('name', '=', name).executeTakeFirst();
  return numDeletedRows > 0n;
}

const select = (db: Db) => db.selectFrom('segment').select(['name', 'kind', 'vni', 'created_at as createdAt']);
