/** What a server does to its store at every start: first pools when there are none, settings as configured. */
import type { Cidr } from '../../shared/net/cidr.ts';
import type { DomainName } from '../../shared/workload.ts';
import { firstPools, refusePool } from '../ipam/pools.ts';
import { readMeta, updateMeshSettings } from './meta.ts';
import type { Store } from './open.ts';
import { insertPool, listAllPools } from './pools.ts';
import type { Tx } from './transact.ts';

export interface MeshDefaults {
  /** Used at the first start only; later pools are added over the API. */
  readonly overlayPool: Cidr;
  readonly containerPool: Cidr;
  /** Bytes. */
  readonly mtu: number;
  readonly keepaliveSeconds: number;
  /** The DNS zone of the mesh. */
  readonly domain: DomainName;
}

/** Throws `prefix-overlaps` or `prefix-refused` when the configured pools cannot be; nothing is changed then. */
export async function setUpMesh(store: Store, defaults: MeshDefaults): Promise<void> {
  await store.transact('server', async (tx) => {
    const meta = await readMeta(tx.db);
    if ((await listAllPools(tx.db)).length === 0) await addFirstPools(tx, { ...defaults, ula: meta.ula });
    const { mtu, keepaliveSeconds, domain } = defaults;
    if (meta.mtu === mtu && meta.keepaliveSeconds === keepaliveSeconds && meta.domain === domain) return;
    await updateMeshSettings(tx, { mtu, keepaliveSeconds, domain });
    tx.touchMesh();
    tx.audit('mesh.configure', null, { mtu, keepaliveSeconds, domain });
  });
}

async function addFirstPools(tx: Tx, given: { overlayPool: Cidr; containerPool: Cidr; ula: Cidr }): Promise<void> {
  const shapes = firstPools(given);
  for (const [index, shape] of shapes.entries()) refusePool(shape, { pools: shapes.slice(0, index), subnets: [] });
  for (const shape of shapes) {
    const pool = await insertPool(tx, shape);
    tx.audit('pool.create', pool.id, { ...shape });
  }
  tx.touchMesh();
}
