/** The mesh's own row: where history stands and the settings every host shares. */
import type Database from 'better-sqlite3';
import { sql } from 'kysely';
import type { MeshSettings } from '../../shared/network-map.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { DomainName } from '../../shared/workload.ts';
import { makeCidr } from '../../shared/net/cidr.ts';
import { makeId, type Random } from './ids.ts';
import type { Db } from './schema.ts';
import { readLockHead } from './lock.ts';
import { listAllPools } from './pools.ts';
import { listAllPublications } from './publications.ts';
import { listAllSegments } from './segments.ts';
import type { Tx } from './transact.ts';

export interface Meta {
  readonly epoch: string;
  readonly revision: number;
  /** Deltas reach back to this revision. */
  readonly oldestRevision: number;
  /** The revision at which settings or pools last changed. */
  readonly meshRevision: number;
  /** The random IPv6 /48 of this mesh (RFC 4193). */
  readonly ula: Cidr;
  readonly mtu: number;
  readonly keepaliveSeconds: number;
  readonly createdAt: number;
  readonly domain: DomainName;
}

export async function readMeta(db: Db): Promise<Meta> {
  return db
    .selectFrom('meta')
    .select([
      'epoch',
      'revision',
      'oldest_revision as oldestRevision',
      'mesh_revision as meshRevision',
      'ula',
      'mtu',
      'keepalive_seconds as keepaliveSeconds',
      'created_at as createdAt',
      'domain',
    ])
    .executeTakeFirstOrThrow();
}

export async function readMeshSettings(db: Db): Promise<MeshSettings> {
  const { mtu, keepaliveSeconds, domain } = await readMeta(db);
  const pools = await listAllPools(db);
  const lock = await readLockHead(db);
  const prefixes = (kind: string): Cidr[] => pools.filter((pool) => pool.kind === kind).map((pool) => pool.prefix);
  return {
    overlayPools: prefixes('overlay'),
    containerPools: prefixes('container'),
    mtu,
    keepaliveSeconds,
    domain,
    publications: await listAllPublications(db),
    segments: await listAllSegments(db),
    ...(lock !== undefined && { lock }),
  };
}

/** Call `tx.touchMesh()` and audit it as well. */
export async function updateMeshSettings(
  tx: Tx,
  { mtu, keepaliveSeconds, domain }: Pick<MeshSettings, 'mtu' | 'keepaliveSeconds' | 'domain'>,
): Promise<void> {
  await tx.db.updateTable('meta').set({ mtu, keepalive_seconds: keepaliveSeconds, domain }).execute();
}

export async function advanceRevision(tx: Tx, isMeshChanged: boolean): Promise<{ epoch: string; revision: number }> {
  return tx.db
    .updateTable('meta')
    .set({
      revision: sql`revision + 1`,
      ...(isMeshChanged ? { mesh_revision: sql`revision + 1` } : {}),
    })
    .returning(['epoch', 'revision'])
    .executeTakeFirstOrThrow();
}

/** A write that means nothing; it fails where writing fails. */
export async function touchChecked(tx: Tx): Promise<void> {
  await tx.db.updateTable('meta').set({ checked_at: tx.now }).execute();
}

/** The row of a new mesh: an epoch and a ULA of its own. Runs before there is a query layer. */
export function insertMeta(database: Database.Database, now: number, random: Random): void {
  const ula = makeCidr(6, (0xfdn << 120n) | (BigInt(`0x${random(5).toString('hex')}`) << 80n), 48);
  database
    .prepare(
      `INSERT INTO meta (id, epoch, revision, oldest_revision, mesh_revision, ula, mtu, keepalive_seconds, created_at,
       checked_at) VALUES (1, ?, 0, 0, 0, ?, 1420, 25, ?, ?)`,
    )
    .run(makeId('e', random), ula, now, now);
}

/** History begins anew: no agent's cursor is of this epoch, so each gets a full map. */
export function startEpoch(
  database: Database.Database,
  now: number,
  random: Random,
): { epoch: string; revision: number } {
  const epoch = makeId('e', random);
  return database.transaction(() => {
    database.exec('DELETE FROM tombstone');
    database.exec('DELETE FROM idempotency');
    const { revision } = database
      .prepare('UPDATE meta SET epoch = ?, revision = revision + 1, oldest_revision = revision + 1 RETURNING revision')
      .get(epoch) as { revision: number };
    database
      .prepare(`INSERT INTO audit (at, actor, action, subject, detail, revision) VALUES (?, 'server', ?, NULL, ?, ?)`)
      .run(now, 'server.restore', JSON.stringify({ epoch }), revision);
    return { epoch, revision };
  })();
}
