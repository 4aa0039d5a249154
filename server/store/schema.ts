/** The tables as Kysely sees them; `schema.sql` explains them. Times are integer milliseconds, booleans 0 or 1. */
import type { Generated, Kysely } from 'kysely';
import type { HostId, HostName } from '../../shared/names.ts';
import type { Family } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { Nat } from '../../shared/network-map.ts';
import type { HostState } from '../../shared/protocol.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { DomainName, Label, SegmentName, Transport } from '../../shared/workload.ts';

export type Flag = 0 | 1;
export type PoolKind = 'overlay' | 'container';
export type SubnetState = 'pending' | 'approved' | 'rejected';

export interface MetaTable {
  id: 1;
  epoch: string;
  revision: number;
  oldest_revision: number;
  mesh_revision: number;
  ula: Cidr;
  mtu: number;
  keepalive_seconds: number;
  created_at: number;
  checked_at: number;
  domain: Generated<DomainName>;
}

export interface TokenTable {
  id: string;
  name: string | null;
  secret_hash: Buffer;
  uses: number;
  used: Generated<number>;
  tags: string;
  is_auto_approve: Flag;
  is_ephemeral: Flag;
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
}

export interface ApiKeyTable {
  id: string;
  name: string | null;
  secret_hash: Buffer;
  scope: 'read' | 'operator' | 'admin';
  created_at: number;
  expires_at: number | null;
  last_used_at: number | null;
  revoked_at: number | null;
}

export interface HostTable {
  id: HostId;
  name: HostName;
  state: HostState;
  tags: string;
  public_key: PublicKey | null;
  identity_spki: string | null;
  listen_port: number | null;
  declared_endpoints: Generated<string>;
  local_endpoints: Generated<string>;
  observed_endpoints: Generated<string>;
  is_ephemeral: Generated<Flag>;
  is_gone: Generated<Flag>;
  is_rotation_due: Generated<Flag>;
  created_at: number;
  enrolled_at: number | null;
  last_seen_at: number | null;
  applied_revision: number | null;
  agent_version: string | null;
  token_id: string | null;
  map_revision: Generated<number>;
  version: Generated<number>;
  workloads: Generated<string>;
  mapped_endpoints: Generated<string>;
  nat: Generated<Nat>;
  is_relay: Generated<Flag>;
  tls_port: number | null;
}

export interface TombstoneTable {
  host_id: HostId;
  revision: number;
  at: number;
}

export interface CertificateTable {
  serial: string;
  host_id: HostId;
  spki_hash: string;
  not_before: number;
  not_after: number;
  revoked_at: number | null;
}

export interface PoolTable {
  id: string;
  kind: PoolKind;
  family: Family;
  prefix: Cidr;
  lease_length: number;
  next_slot: number;
  created_at: number;
}

export interface LeaseTable {
  pool_id: string;
  slot: number;
  host_id: HostId;
  kind: PoolKind;
  family: Family;
  prefix: Cidr;
  created_at: number;
}

export interface SubnetTable {
  id: string;
  host_id: HostId;
  prefix: Cidr;
  weight: number;
  state: SubnetState;
  created_at: number;
  version: Generated<number>;
}

export interface PublicationTable {
  id: string;
  service: Label;
  target_port: number;
  protocol: Transport;
  port: number;
  host_id: HostId | null;
  created_at: number;
}

export interface SegmentTable {
  name: SegmentName;
  kind: 'routed' | 'bridged';
  vni: number | null;
  created_at: number;
}

export interface AuditTable {
  id: Generated<number>;
  at: number;
  actor: string;
  action: string;
  subject: string | null;
  detail: string;
  revision: number;
}

export interface IdempotencyTable {
  key_hash: Buffer;
  request_hash: Buffer;
  reply: Buffer;
  created_at: number;
}

export interface LockEntryTable {
  n: number;
  body: string;
  signature: string;
  hash: string;
  added_at: number;
}

export interface SecretTable {
  name: string;
  value: Buffer;
  created_at: number;
}

export interface Schema {
  meta: MetaTable;
  token: TokenTable;
  api_key: ApiKeyTable;
  host: HostTable;
  tombstone: TombstoneTable;
  certificate: CertificateTable;
  pool: PoolTable;
  lease: LeaseTable;
  subnet: SubnetTable;
  publication: PublicationTable;
  segment: SegmentTable;
  audit: AuditTable;
  idempotency: IdempotencyTable;
  secret: SecretTable;
  lock_entry: LockEntryTable;
}

/** Reads take a `Db`: the store's own, a snapshot's or a transaction's. */
export type Db = Kysely<Schema>;
