/** Published ports. They are part of the mesh's settings: whoever changes one calls `tx.touchMesh` as well. */
import type { Publication } from '../../shared/workload.ts';
import type { Db } from './schema.ts';

/** Ordered by id, as the network map holds them. */
export async function listAllPublications(db: Db): Promise<Publication[]> {
  return db
    .selectFrom('publication')
    .select(['id', 'service', 'target_port as targetPort', 'protocol', 'port', 'host_id as hostId'])
    .orderBy('id')
    .execute();
}
