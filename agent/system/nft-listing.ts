/** What `nft -j list table` says of chains and sets, as it would be written in a script. */
import { z } from 'zod';
import { headOf } from '../plan/nft-table.ts';

const textSchema = z.union([z.string(), z.number()]);
const prefixSchema = z.object({ addr: z.string(), len: z.number() });

/** What else there is, such as an element with a timeout, we never make. */
const keySchema = z.union([
  textSchema,
  z.strictObject({ concat: z.array(textSchema) }),
  z.strictObject({ prefix: prefixSchema }),
  z.strictObject({ range: z.tuple([z.string(), z.string()]) }),
]);

const verdictSchema = z.union([
  z.strictObject({ jump: z.strictObject({ target: z.string() }) }),
  z.strictObject({ goto: z.strictObject({ target: z.string() }) }),
]);

const setSchema = z.looseObject({
  name: z.string(),
  type: z.union([z.string(), z.array(z.string())]),
  elem: z.array(z.union([keySchema, z.tuple([keySchema, verdictSchema])])).default([]),
});

const itemSchema = z.union([z.strictObject({ set: setSchema }), z.strictObject({ map: setSchema })]);

const chainSchema = z.object({
  chain: z.looseObject({
    name: z.string(),
    type: z.string().optional(),
    hook: z.string().optional(),
    prio: z.number().optional(),
  }),
});

type Key = z.infer<typeof keySchema>;

export interface ListedSet {
  readonly name: string;
  readonly elements: readonly string[];
  /** All else of it. */
  readonly rest: Record<string, unknown>;
}

/** Undefined for everything else, and for a set with elements that we never make. */
export function readSet(item: Readonly<Record<string, unknown>>): ListedSet | undefined {
  const parsed = itemSchema.safeParse(item);
  if (!parsed.success) return undefined;
  const [kind, listed] = 'set' in parsed.data ? ['set', parsed.data.set] : ['map', parsed.data.map];
  const { elem, ...rest } = listed;
  const types = typeof rest.type === 'string' ? [rest.type] : rest.type;
  const elements = elem.map((one) => {
    if (!Array.isArray(one)) return keyText(one, types);
    const [key, verdict] = one;
    const action = 'jump' in verdict ? `jump ${verdict.jump.target}` : `goto ${verdict.goto.target}`;
    return `${keyText(key, types)} : ${action}`;
  });
  return { name: rest.name, elements: elements.sort(), rest: { [kind]: rest } };
}

/** `head` as in `headOf`, empty for a chain that only rules lead to. */
export function readChain(item: Readonly<Record<string, unknown>>): { name: string; head: string } | undefined {
  const parsed = chainSchema.safeParse(item);
  if (!parsed.success) return undefined;
  const { name, type, hook, prio } = parsed.data.chain;
  const isBase = type !== undefined && hook !== undefined && prio !== undefined;
  return { name, head: isBase ? headOf({ type, hook, priority: prio }) : '' };
}

function keyText(key: Key, types: readonly string[]): string {
  if (typeof key !== 'object') return partText(key, types[0]);
  if ('prefix' in key) return `${partText(key.prefix.addr, types[0])}/${key.prefix.len}`;
  if ('range' in key) return key.range.map((end) => partText(end, types[0])).join('-');
  return key.concat.map((part, i) => partText(part, types[i])).join(' . ');
}

/** Names of links are quoted, and no IPv6 address has a part in decimals, as the C library writes some. */
function partText(part: string | number, type: string | undefined): string {
  if (type === 'ifname') return `"${part}"`;
  const mixed = type === 'ipv6_addr' ? /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(String(part)) : null;
  if (mixed === null) return String(part);
  const [a = 0, b = 0, c = 0, d = 0] = mixed.slice(2).map(Number);
  return `${mixed[1]}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}
