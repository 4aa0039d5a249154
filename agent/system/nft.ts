/**
 * nftables: a table in family inet and one in family bridge, each replaced as a whole in one transaction. What nft prints differs from what it was
 * given, and between its versions, so the table carries a seal: a comment with the digest of the rules it was made of
 * and the digest of how nft lists it. A listing that does not match its seal was altered by somebody.
 */
import { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';
import { digestOf } from '../plan/digest.ts';
import type { ObservedTable } from '../plan/observed.ts';
import type { System } from './run.ts';

const listingSchema = z.object({ nftables: z.array(z.record(z.string(), z.unknown())) });

export type TableFamily = 'inet' | 'bridge';

export async function showTable(system: System, name: string, family: TableFamily = 'inet'): Promise<ObservedTable> {
  const listing = await listTable(system, name, family);
  if (listing === undefined) return { kind: 'missing' };
  const seal = /^warren:([0-9a-f]{16}):([0-9a-f]{16})$/.exec(listing.seal ?? '');
  const digest = seal?.[1];
  return digest !== undefined && seal?.[2] === listing.digest ? { kind: 'sealed', digest } : { kind: 'altered' };
}

/** `text` is the body of the table, `digest` that of the rules as planned. */
export async function replaceTable(
  system: System,
  table: { family: TableFamily; name: string; text: string; digest: string },
): Promise<void> {
  const { family, name, text, digest } = table;
  const input = `table ${family} ${name} {\n}\ndelete table ${family} ${name}\ntable ${family} ${name} {\n${text}\n  chain seal {\n  }\n}\n`;
  await system.run({ argv: ['nft', '-f', '-'], input });
  const listing = await listTable(system, name, family);
  if (listing === undefined) throw new WarrenError('command-failed', `table ${name} vanished while it was made`);
  const seal = `add rule ${family} ${name} seal return comment "warren:${digest}:${listing.digest}"\n`;
  await system.run({ argv: ['nft', '-f', '-'], input: seal });
}

/** Does nothing where there is none. */
export async function removeTable(system: System, name: string, family: TableFamily = 'inet'): Promise<void> {
  await system.run({
    argv: ['nft', '-f', '-'],
    input: `table ${family} ${name} {\n}\ndelete table ${family} ${name}\n`,
  });
}

interface Listing {
  readonly digest: string;
  readonly seal: string | undefined;
}

async function listTable(system: System, name: string, family: TableFamily): Promise<Listing | undefined> {
  const { stdout, stderr, exitCode } = await system.run({
    argv: ['nft', '-j', 'list', 'table', family, name],
    okCodes: [0, 1],
  });
  if (exitCode === 0) return parseListing(stdout);
  if (/No such file or directory/.test(stderr)) return undefined;
  throw new WarrenError('command-failed', `'nft -j list table ${family} ${name}' failed: ${stderr.trim()}`);
}

export function parseListing(json: string): Listing {
  const parsed = listingSchema.safeParse(JSON.parse(json));
  if (!parsed.success) throw new WarrenError('command-failed', "'nft -j list table' printed something unknown");
  const kept: unknown[] = [];
  let seal: string | undefined;
  for (const item of parsed.data.nftables) {
    if ('metainfo' in item) continue;
    const rule = item.rule as { chain?: unknown; comment?: unknown } | undefined;
    if (rule?.chain === 'seal' && typeof rule.comment === 'string' && seal === undefined) seal = rule.comment;
    else kept.push(item);
  }
  return { digest: digestOf(JSON.stringify(kept, withoutVolatile)), seal };
}

/** Handles and counters change without anybody altering a rule. */
function withoutVolatile(key: string, value: unknown): unknown {
  return key === 'handle' || key === 'packets' || key === 'bytes' ? undefined : value;
}
