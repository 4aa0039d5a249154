/**
 * Rows into what hosts are told. Pure, and the only place that decides what a host's record holds: a delta and a full map
 * made of the same rows say the same. Fields stand in schema order, because equality of records is equality of text.
 */
import type { Delta } from '../../shared/delta.ts';
import type { HostId, HostName } from '../../shared/names.ts';
import type { Address, Family } from '../../shared/net/address.ts';
import { type Cidr, compareCidr } from '../../shared/net/cidr.ts';
import type { HostRecord, MeshSettings, Nat, NetworkMap } from '../../shared/network-map.ts';
import type { HostState } from '../../shared/protocol.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { Workload } from '../../shared/workload.ts';
import { type EndpointCandidates, rankEndpoints } from '../discovery/endpoints.ts';

/** What the store knows of a host that others may see. */
export interface MapRow {
  readonly id: HostId;
  readonly name: HostName;
  readonly state: HostState;
  readonly publicKey: PublicKey | null;
  readonly endpoints: EndpointCandidates;
  readonly nat: Nat;
  readonly isRelay: boolean;
  /** Null where it serves no relaying over TLS. */
  readonly tlsPort: number | null;
  readonly isGone: boolean;
  /** Their JSON, ordered by name, as the store keeps it and as it travels. */
  readonly workloads: string;
  readonly leases: ReadonlyArray<{ kind: 'overlay' | 'container'; family: Family; prefix: Cidr }>;
  /** Approved ones only. */
  readonly subnets: ReadonlyArray<{ prefix: Cidr; weight: number }>;
}

export interface Changes {
  readonly epoch: string;
  readonly from: number;
  readonly revision: number;
  /** Every host whose row changed since `from`. */
  readonly rows: readonly MapRow[];
  /** Hosts that left since `from`. */
  readonly left: readonly HostId[];
  /** Undefined when settings and pools did not change since `from`. */
  readonly mesh: MeshSettings | undefined;
}

/** The record of a host, or undefined when it is not in the map: not active, without key or overlay address. */
export function buildRecord(row: MapRow): HostRecord | undefined {
  const rest = withoutWorkloads(row);
  return rest && { ...rest, workloads: JSON.parse(row.workloads) as Workload[] };
}

/** The record's JSON, made without reading the workloads, which are most of what a map of many containers holds. */
export function writeRecord(row: MapRow): string | undefined {
  const rest = withoutWorkloads(row);
  return rest && `${JSON.stringify(rest).slice(0, -1)},"workloads":${row.workloads}}`;
}

function withoutWorkloads(row: MapRow): Omit<HostRecord, 'workloads'> | undefined {
  const overlay = ofKind(row, 'overlay');
  if (row.state !== 'active' || row.publicKey === null || overlay.length === 0) return undefined;
  return {
    id: row.id,
    name: row.name,
    publicKey: row.publicKey,
    addresses: overlay.map(bareAddress),
    leases: ofKind(row, 'container'),
    subnets: [...row.subnets]
      .sort((a, b) => compareCidr(a.prefix, b.prefix))
      .map(({ prefix, weight }) => ({ prefix, weight })),
    endpoints: rankEndpoints(row.endpoints, row.nat),
    nat: row.nat,
    isRelay: row.isRelay,
    // Older agents refuse what they do not know, so those without relays over TLS are told nothing new.
    ...(row.isRelay && row.tlsPort !== null && { tlsPort: row.tlsPort }),
    isGone: row.isGone,
  };
}

export function buildMap(
  { epoch, revision, mesh }: { epoch: string; revision: number; mesh: MeshSettings },
  rows: readonly MapRow[],
): NetworkMap {
  return { epoch, revision, mesh, hosts: buildRecords(rows) };
}

/** Records in order of id. */
export function buildRecords(rows: readonly MapRow[]): HostRecord[] {
  return rows
    .map(buildRecord)
    .filter((record) => record !== undefined)
    .sort(byId);
}

export function buildDelta({ epoch, from, revision, rows, left, mesh }: Changes): Delta {
  const records = rows.map((row) => ({ id: row.id, record: buildRecord(row) }));
  const upserts = records.map(({ record }) => record).filter((record) => record !== undefined);
  const present = new Set(upserts.map(({ id }) => id));
  const absent = [...left, ...records.map(({ id }) => id)].filter((id) => !present.has(id));
  const delta: Delta = { epoch, from, revision, upserts: upserts.sort(byId), removes: [...new Set(absent)].sort() };
  return mesh === undefined ? delta : { ...delta, mesh };
}

const byId = (a: HostRecord, b: HostRecord): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

function ofKind(row: MapRow, kind: 'overlay' | 'container'): Cidr[] {
  return row.leases
    .filter((lease) => lease.kind === kind)
    .toSorted((a, b) => a.family - b.family)
    .map(({ prefix }) => prefix);
}

const bareAddress = (prefix: Cidr): Address => prefix.slice(0, prefix.indexOf('/')) as Address;
