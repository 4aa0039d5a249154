/**
 * nftables: tables that are ours as a whole. What nft prints differs from what it was given, and between its versions, so
 * a table carries a seal: a comment with the digest of the rules it was made of and the digest of how nft lists it. A
 * listing that does not match its seal was altered by somebody. Elements of sets are no part of that: they come and go
 * while the rules stay.
 */
import { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';
import { digestOf } from '../plan/digest.ts';
import { elementLines } from '../plan/elements.ts';
import type { ObservedTable } from '../plan/observed.ts';
import type { ElementChange, TableSet } from '../plan/step.ts';
import type { StandingTable } from '../plan/table-scripts.ts';
import { readChain, readSet } from './nft-listing.ts';
import type { System } from './run.ts';

const listingSchema = z.object({ nftables: z.array(z.record(z.string(), z.unknown())) });

export type TableFamily = 'inet' | 'bridge' | 'ip' | 'ip6';

export async function showTable(system: System, name: string, family: TableFamily = 'inet'): Promise<ObservedTable> {
  const listing = await listTable(system, name, family);
  return listing === undefined ? { kind: 'missing' } : checkSeal(listing);
}

export function checkSeal(listing: Pick<Listing, 'seal' | 'digest' | 'sets' | 'chains'>): ObservedTable {
  const seal = /^warren:([0-9a-f]{16}):([0-9a-f]{16})$/.exec(listing.seal ?? '');
  const digest = seal?.[1];
  if (digest === undefined || seal?.[2] !== listing.digest) return { kind: 'altered' };
  return { kind: 'sealed', digest, sets: listing.sets, chains: listing.chains };
}

/** By the transactions of the step; as a whole where the kernel does not take them, and nothing of it is lost then. */
export async function setTable(system: System, { family, name, digest, scripts, whole }: TableSet): Promise<void> {
  const run = (input: string): Promise<unknown> => system.run({ argv: ['nft', '-f', '-'], input });
  try {
    if (scripts.length === 0) await run(whole);
    for (const script of scripts) await run(script);
  } catch (error) {
    if (scripts.length === 0) throw error;
    await run(whole);
  }
  await sealTable(system, name, family, digest);
}

/** Needs a chain `seal`. */
export async function sealTable(system: System, name: string, family: TableFamily, digest: string): Promise<void> {
  const listing = await listTable(system, name, family);
  if (listing === undefined) throw new WarrenError('command-failed', `table ${name} vanished while it was made`);
  const seal = `add rule ${family} ${name} seal return comment "warren:${digest}:${listing.digest}"\n`;
  await system.run({ argv: ['nft', '-f', '-'], input: seal });
}

/** In one transaction. */
export async function changeElements(
  system: System,
  table: { family: TableFamily; name: string; changes: readonly ElementChange[] },
): Promise<void> {
  const lines = elementLines(`${table.family} ${table.name}`, table.changes);
  await system.run({ argv: ['nft', '-f', '-'], input: lines.map((line) => `${line}\n`).join('') });
}

/** Does nothing where there is none. */
export async function removeTable(system: System, name: string, family: TableFamily = 'inet'): Promise<void> {
  await system.run({
    argv: ['nft', '-f', '-'],
    input: `table ${family} ${name} {\n}\ndelete table ${family} ${name}\n`,
  });
}

export interface Listing extends StandingTable {
  /** Of all but the seal and the elements of sets. */
  readonly digest: string;
  readonly seal: string | undefined;
  readonly items: readonly Readonly<Record<string, unknown>>[];
}

/** Undefined where there is none. */
export async function listTable(system: System, name: string, family: TableFamily): Promise<Listing | undefined> {
  const { stdout, stderr, exitCode } = await system.run({
    argv: ['nft', '-j', 'list', 'table', family, name],
    okCodes: [0, 1],
  });
  if (exitCode === 0) return parseListing(stdout, family === 'ip' || family === 'ip6');
  if (/No such file or directory/.test(stderr)) return undefined;
  throw new WarrenError('command-failed', `'nft -j list table ${family} ${name}' failed: ${stderr.trim()}`);
}

/** `isRaw`: sets stay among the items, elements and all. */
export function parseListing(json: string, isRaw = false): Listing {
  const parsed = listingSchema.safeParse(JSON.parse(json));
  if (!parsed.success) throw new WarrenError('command-failed', "'nft -j list table' printed something unknown");
  const kept: Record<string, unknown>[] = [];
  const sets = new Map<string, readonly string[]>();
  const chains = new Map<string, string>();
  let seal: string | undefined;
  for (const item of parsed.data.nftables) {
    if ('metainfo' in item) continue;
    const chain = readChain(item);
    if (chain !== undefined) chains.set(chain.name, chain.head);
    const set = isRaw ? undefined : readSet(item);
    if (set !== undefined) {
      sets.set(set.name, set.elements);
      kept.push(set.rest);
      continue;
    }
    const rule = item.rule as { chain?: unknown; comment?: unknown } | undefined;
    if (rule?.chain === 'seal' && typeof rule.comment === 'string' && seal === undefined) seal = rule.comment;
    else kept.push(item);
  }
  const volatile = isRaw ? withoutElements : withoutVolatile;
  return { digest: digestOf(JSON.stringify(kept, volatile)), seal, items: kept, sets, chains };
}

/** Handles and counters change without anybody altering a rule. */
function withoutVolatile(key: string, value: unknown): unknown {
  return key === 'handle' || key === 'packets' || key === 'bytes' ? undefined : value;
}

const withoutElements = (key: string, value: unknown): unknown =>
  key === 'elem' ? undefined : withoutVolatile(key, value);
