/**
 * nftables: tables that are ours as a whole, replaced in one transaction. What nft prints differs from what it was given,
 * and between its versions, so a table carries a seal: a comment with the digest of the rules it was made of and the
 * digest of how nft lists it. A listing that does not match its seal was altered by somebody. Elements of sets called
 * `live_…` are no part of that: they come and go while the rules stay.
 */
import { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';
import type { LiveSets } from '../plan/desired.ts';
import { digestOf } from '../plan/digest.ts';
import type { ObservedTable } from '../plan/observed.ts';
import type { ElementChange } from '../plan/step.ts';
import type { System } from './run.ts';

const listingSchema = z.object({ nftables: z.array(z.record(z.string(), z.unknown())) });

export type TableFamily = 'inet' | 'bridge' | 'ip' | 'ip6';

export async function showTable(system: System, name: string, family: TableFamily = 'inet'): Promise<ObservedTable> {
  const listing = await listTable(system, name, family);
  return listing === undefined ? { kind: 'missing' } : checkSeal(listing);
}

export function checkSeal(listing: Pick<Listing, 'seal' | 'digest' | 'sets'>): ObservedTable {
  const seal = /^warren:([0-9a-f]{16}):([0-9a-f]{16})$/.exec(listing.seal ?? '');
  const digest = seal?.[1];
  if (digest === undefined || seal?.[2] !== listing.digest) return { kind: 'altered' };
  return { kind: 'sealed', digest, sets: listing.sets };
}

/** `text` is the body of the table, `digest` that of the rules as planned. */
export async function replaceTable(
  system: System,
  table: { family: TableFamily; name: string; text: string; digest: string; sets: LiveSets },
): Promise<void> {
  const { family, name, text, digest, sets } = table;
  const rules = `table ${family} ${name} {\n}\ndelete table ${family} ${name}\ntable ${family} ${name} {\n${text}\n  chain seal {\n  }\n}\n`;
  const elements = [...sets].map(([set, added]) => elementLine('add', table, set, added));
  await system.run({ argv: ['nft', '-f', '-'], input: rules + elements.join('') });
  await sealTable(system, name, family, digest);
}

/** Needs a chain `seal`. */
export async function sealTable(system: System, name: string, family: TableFamily, digest: string): Promise<void> {
  const listing = await listTable(system, name, family);
  if (listing === undefined) throw new WarrenError('command-failed', `table ${name} vanished while it was made`);
  const seal = `add rule ${family} ${name} seal return comment "warren:${digest}:${listing.digest}"\n`;
  await system.run({ argv: ['nft', '-f', '-'], input: seal });
}

/** In one transaction, what is added first. */
export async function changeElements(
  system: System,
  table: { family: TableFamily; name: string; changes: readonly ElementChange[] },
): Promise<void> {
  const lines = [
    ...table.changes.map(({ set, added }) => elementLine('add', table, set, added)),
    ...table.changes.map(({ set, removed }) => elementLine('delete', table, set, removed)),
  ];
  await system.run({ argv: ['nft', '-f', '-'], input: lines.join('') });
}

function elementLine(
  verb: 'add' | 'delete',
  { family, name }: { family: TableFamily; name: string },
  set: string,
  elements: readonly string[],
): string {
  return elements.length === 0 ? '' : `${verb} element ${family} ${name} ${set} { ${elements.join(', ')} }\n`;
}

/** Does nothing where there is none. */
export async function removeTable(system: System, name: string, family: TableFamily = 'inet'): Promise<void> {
  await system.run({
    argv: ['nft', '-f', '-'],
    input: `table ${family} ${name} {\n}\ndelete table ${family} ${name}\n`,
  });
}

export interface Listing {
  /** Of all but the seal, and in families ip and ip6 but for the elements of maps, which come and go there. */
  readonly digest: string;
  readonly seal: string | undefined;
  readonly items: readonly Readonly<Record<string, unknown>>[];
  readonly sets: LiveSets;
}

const liveSetSchema = z.object({
  set: z.looseObject({
    name: z.string().startsWith('live_'),
    type: z.union([z.string(), z.array(z.string())]),
    elem: z
      .array(z.union([z.string(), z.number(), z.object({ concat: z.array(z.union([z.string(), z.number()])) })]))
      .default([]),
  }),
});

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

export function parseListing(json: string, isChanging = false): Listing {
  const parsed = listingSchema.safeParse(JSON.parse(json));
  if (!parsed.success) throw new WarrenError('command-failed', "'nft -j list table' printed something unknown");
  const kept: Record<string, unknown>[] = [];
  const sets = new Map<string, readonly string[]>();
  let seal: string | undefined;
  for (const item of parsed.data.nftables) {
    if ('metainfo' in item) continue;
    const live = liveSetSchema.safeParse(item);
    if (live.success) {
      const { elem, ...rest } = live.data.set;
      sets.set(rest.name, elem.map((one) => elementText(one, rest.type)).sort());
      kept.push({ set: rest });
      continue;
    }
    const rule = item.rule as { chain?: unknown; comment?: unknown } | undefined;
    if (rule?.chain === 'seal' && typeof rule.comment === 'string' && seal === undefined) seal = rule.comment;
    else kept.push(item);
  }
  const volatile = isChanging ? withoutElements : withoutVolatile;
  return { digest: digestOf(JSON.stringify(kept, volatile)), seal, items: kept, sets };
}

/** As it is written in a script: names of links are quoted. */
function elementText(
  element: string | number | { concat: readonly (string | number)[] },
  type: string | readonly string[],
): string {
  const parts = typeof element === 'object' ? element.concat : [element];
  const types = typeof type === 'string' ? [type] : type;
  return parts.map((part, i) => (types[i] === 'ifname' ? `"${part}"` : String(part))).join(' . ');
}

/** Handles and counters change without anybody altering a rule. */
function withoutVolatile(key: string, value: unknown): unknown {
  return key === 'handle' || key === 'packets' || key === 'bytes' ? undefined : value;
}

const withoutElements = (key: string, value: unknown): unknown =>
  key === 'elem' ? undefined : withoutVolatile(key, value);
