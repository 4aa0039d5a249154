/** Segments: what operators declare of them, and which there are besides because workloads name them. */
import { WarrenError } from '../../shared/errors.ts';
import type { HostId } from '../../shared/names.ts';
import type { Segment, SegmentName } from '../../shared/workload.ts';
import type { Db, Tx } from '../store/open.ts';
import {
  type StoredSegment,
  deleteSegment,
  findSegment,
  insertSegment,
  listAllSegments,
  listStoredSegments,
} from '../store/segments.ts';
import { eachHostsWorkloads } from '../store/workloads.ts';

/** A map holds no more. */
export const maxSegments = 1024;

export interface SegmentView extends Segment {
  readonly isDeclared: boolean;
  readonly workloads: number;
  readonly hosts: number;
  readonly createdAt: number | null;
}

/** Throws `name-taken`, or `conflict` where there are too many. */
export async function createSegment(
  tx: Tx,
  { name, kind }: { name: SegmentName; kind: Segment['kind'] },
): Promise<StoredSegment> {
  const present = await listAllSegments(tx.db);
  const same = present.find((one) => one.name === name);
  if (same !== undefined) {
    throw new WarrenError(
      'name-taken',
      `segment ${name} is declared already, as ${same.kind}; remove it first with \`warren segment rm ${name}\``,
      { field: 'name' },
    );
  }
  if (present.length >= maxSegments) {
    throw new WarrenError('conflict', `${maxSegments} segments are declared, the most there may be; remove some`);
  }
  const vni = kind === 'bridged' ? freeVni(new Set(present.map((one) => one.vni)), (bytes) => tx.random(bytes)) : null;
  const made = await insertSegment(tx, { name, kind, vni });
  tx.touchMesh();
  tx.audit('segment.create', name, { kind, vni });
  return made;
}

/** Throws `not-found`. */
export async function removeSegment(tx: Tx, name: SegmentName): Promise<void> {
  const { kind, vni } = (await findSegment(tx.db, name)) ?? notDeclared(name);
  await deleteSegment(tx, name);
  tx.touchMesh();
  tx.audit('segment.remove', name, { kind, vni });
}

/** Ordered by name: the declared ones and those that workloads name. */
export async function viewSegments(db: Db): Promise<SegmentView[]> {
  const members = await countMembers(db);
  const declared = (await listStoredSegments(db)).map((segment) => viewOf(segment, members));
  const known = new Set(declared.map(({ name }) => name));
  const named = [...members.keys()]
    .filter((name) => !known.has(name))
    .map((name) => viewOf({ name, kind: 'routed', vni: null, createdAt: null }, members));
  return [...declared, ...named].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Taken at random from the upper fifteen sixteenths of the range: one that was given back rests, as good as surely, and
 * the small numbers are those that others on the host use for VXLANs of their own.
 */
function freeVni(taken: ReadonlySet<number | null>, random: (bytes: number) => Buffer): number {
  for (;;) {
    const vni = random(3).readUIntBE(0, 3);
    if (vni >= 0x10_0000 && !taken.has(vni)) return vni;
  }
}

interface Members {
  workloads: number;
  readonly hosts: Set<HostId>;
}

async function countMembers(db: Db): Promise<ReadonlyMap<SegmentName, Members>> {
  const members = new Map<SegmentName, Members>();
  for await (const { hostId, workloads } of eachHostsWorkloads(db)) {
    for (const { segment } of workloads) {
      if (segment === null) continue;
      const of = members.get(segment) ?? { workloads: 0, hosts: new Set<HostId>() };
      of.workloads += 1;
      of.hosts.add(hostId);
      members.set(segment, of);
    }
  }
  return members;
}

function viewOf(
  segment: Segment & { createdAt: number | null },
  members: ReadonlyMap<SegmentName, Members>,
): SegmentView {
  const { name, kind, vni, createdAt } = segment;
  const of = members.get(name);
  const isDeclared = createdAt !== null;
  return { name, kind, vni, isDeclared, workloads: of?.workloads ?? 0, hosts: of?.hosts.size ?? 0, createdAt };
}

function notDeclared(name: SegmentName): never {
  throw new WarrenError('not-found', `no segment ${name} is declared; see \`warren segment ls\``);
}
