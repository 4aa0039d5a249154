/** Segments with properties. They are part of the mesh's settings: whoever changes one calls `tx.touchMesh` as well. */
import type { Segment } from '../../shared/workload.ts';
import type { Db } from './schema.ts';

/** Ordered by name, as the network map holds them. */
export async function listAllSegments(db: Db): Promise<Segment[]> {
  return db.selectFrom('segment').select(['name', 'kind', 'vni']).orderBy('name').execute();
}
