/** What must be true of every database of Warren's, whatever happened to it: asked of a copy, in plain SQL. */
import type Database from 'better-sqlite3';
import type { Family } from '../../shared/net/address.ts';
import { type Cidr, cidrRange } from '../../shared/net/cidr.ts';
import { slotPrefix } from '../ipam/allocate.ts';
import { connectReader } from './engine/connect.ts';
import { storeError } from './engine/errors.ts';
import type { PoolKind } from './schema.ts';

export interface Inspection {
  readonly counts: Readonly<Record<'hosts' | 'leases' | 'subnets' | 'tokens' | 'keys' | 'audit', number>>;
  /** When the newest thing on record was done, ms; undefined where nothing was. */
  readonly lastAuditAt: number | undefined;
  /** Each contradiction in a sentence; none in a good database. */
  readonly problems: readonly string[];
}

/** Throws `store-corrupt` where the file cannot even be read. */
export function inspectDatabase(file: string): Inspection {
  const database = connectReader(file);
  try {
    const count = (table: string): number => one(database, `SELECT count(*) FROM ${table}`) ?? 0;
    return {
      counts: {
        hosts: count('host'),
        leases: count('lease'),
        subnets: count('subnet'),
        tokens: count('token'),
        keys: count('api_key'),
        audit: count('audit'),
      },
      lastAuditAt: one(database, 'SELECT max(at) FROM audit'),
      problems: [
        ...brokenReferences(database),
        ...brokenLeases(database),
        ...hostsWithoutAddresses(database),
        ...hostsWithoutKeys(database),
        ...brokenHistory(database),
      ],
    };
  } catch (error) {
    throw storeError(error, file);
  } finally {
    database.close();
  }
}

function brokenReferences(database: Database.Database): string[] {
  const rows = database.pragma('foreign_key_check') as { table: string; parent: string }[];
  return rows.map(({ table, parent }) => `a row of ${table} belongs to a ${parent} that is not there`);
}

interface LeaseRow {
  readonly prefix: Cidr;
  readonly name: string;
  readonly slot: number;
  readonly pool: Cidr;
  readonly kind: PoolKind;
  readonly family: Family;
  readonly leaseLength: number;
}

/** A prefix follows from pool and slot, and no two overlap. */
function brokenLeases(database: Database.Database): string[] {
  const rows = database
    .prepare(
      `SELECT lease.prefix, lease.slot, lease.kind, lease.family, host.name, pool.prefix AS pool, pool.lease_length AS leaseLength
       FROM lease JOIN host ON host.id = lease.host_id JOIN pool ON pool.id = lease.pool_id`,
    )
    .all() as LeaseRow[];
  const strange = rows
    .filter(
      ({ pool, slot, kind, prefix, leaseLength }) => slotPrefix({ kind, prefix: pool, leaseLength }, slot) !== prefix,
    )
    .map(({ prefix, name, slot, pool }) => `${prefix} of ${name} is not slot ${slot} of ${pool}`);
  return [...strange, ...overlapping(rows)];
}

/** Sorted by where they begin, only neighbours can overlap first. */
function overlapping(rows: readonly LeaseRow[]): string[] {
  const ranges = rows
    .map((row) => ({ ...row, ...cidrRange(row.prefix) }))
    .sort((a, b) => a.family - b.family || (a.first < b.first ? -1 : 1));
  return ranges.flatMap((row, index) => {
    const before = ranges[index - 1];
    if (before === undefined || before.family !== row.family || before.last < row.first) return [];
    return [`${row.prefix} of ${row.name} overlaps ${before.prefix} of ${before.name}`];
  });
}

/** Every host holds one of each kind and family that the first pools have. */
function hostsWithoutAddresses(database: Database.Database): string[] {
  const rows = database
    .prepare(
      `SELECT name, wanted.kind, wanted.family FROM host
       CROSS JOIN (SELECT 'overlay' AS kind, 4 AS family UNION SELECT 'container', 4) AS wanted
       WHERE EXISTS (SELECT 1 FROM pool WHERE pool.kind = wanted.kind AND pool.family = wanted.family)
       AND host.state IN ('active', 'disabled') AND NOT EXISTS (SELECT 1 FROM lease
         WHERE lease.host_id = host.id AND lease.kind = wanted.kind AND lease.family = wanted.family)`,
    )
    .all() as { name: string; kind: string; family: number }[];
  return rows.map(({ name, kind, family }) => `${name} has no ${kind} prefix of IPv${family}`);
}

function hostsWithoutKeys(database: Database.Database): string[] {
  const rows = database
    .prepare(`SELECT name FROM host WHERE state = 'active' AND (public_key IS NULL OR identity_spki IS NULL)`)
    .pluck()
    .all() as string[];
  return rows.map((name) => `${name} is active without a key`);
}

/** The audit has no holes and follows the revision; nothing is of a revision that has not been. */
function brokenHistory(database: Database.Database): string[] {
  const problems: string[] = [];
  const { count, first, last } = database
    .prepare('SELECT count(*) AS count, min(id) AS first, max(id) AS last FROM audit')
    .get() as { count: number; first: number | null; last: number | null };
  if (count > 0 && (first !== 1 || last !== count))
    problems.push(`the audit has ${count} entries up to number ${last}`);
  const backwards = one(
    database,
    'SELECT count(*) FROM audit AS a JOIN audit AS b ON b.id = a.id + 1 WHERE b.revision < a.revision',
  );
  if (backwards !== 0) problems.push(`the audit goes back in revisions ${backwards} times`);
  const revision = one(database, 'SELECT revision FROM meta');
  const newest = one(
    database,
    `SELECT max(n) FROM (SELECT max(revision) AS n FROM audit UNION SELECT max(map_revision) FROM host
     UNION SELECT max(revision) FROM tombstone)`,
  );
  if (revision === undefined) problems.push('the row of the mesh is missing');
  else if ((newest ?? 0) > revision) problems.push(`something is of revision ${newest}, the mesh is at ${revision}`);
  return problems;
}

/** A number; undefined where there is none. */
function one(database: Database.Database, text: string): number | undefined {
  const value = database.prepare(text).pluck().get();
  return typeof value === 'number' ? value : undefined;
}
