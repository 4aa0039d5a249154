/**
 * A table of nftables as data: what its chains say, and its sets, whose elements are no part of that: they come and go
 * while the rules stay. Names, types and rules are text made of parsed prefixes, addresses and names alone.
 */
import type { DesiredTable, LiveSets } from './desired.ts';
import { digestOf } from './digest.ts';

export interface DesiredSet {
  readonly name: string;
  /** As nft declares it, `type ipv4_addr; flags interval`. */
  readonly type: string;
  readonly isMap: boolean;
  /** As nft prints them. */
  readonly elements: readonly string[];
}

export interface DesiredChain {
  readonly name: string;
  /** Where packets come in, `type filter hook input priority -10`; undefined where only rules lead here. */
  readonly head: string | undefined;
  readonly rules: readonly string[];
}

export type TablePart = ({ readonly kind: 'set' } & DesiredSet) | ({ readonly kind: 'chain' } & DesiredChain);

export interface Hook {
  readonly type: 'filter' | 'nat';
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';
  /** No two chains of one table and hook have the same: which of them came first would decide. */
  readonly priority: number;
}

export const headOf = ({ type, hook, priority }: { type: string; hook: string; priority: number }): string =>
  `type ${type} hook ${hook} priority ${priority}`;

export const baseChain = (name: string, hook: Hook, rules: readonly string[]): TablePart => ({
  kind: 'chain',
  name,
  head: headOf(hook),
  rules,
});

export const chain = (name: string, rules: readonly string[]): TablePart => ({
  kind: 'chain',
  name,
  head: undefined,
  rules,
});

export const set = (name: string, type: string, elements: readonly string[] = []): TablePart => ({
  kind: 'set',
  name,
  type,
  isMap: false,
  elements,
});

export const verdictMap = (name: string, type: string, elements: readonly string[]): TablePart => ({
  kind: 'set',
  name,
  type: `type ${type} : verdict`,
  isMap: true,
  elements,
});

export function makeTable(name: string, parts: readonly TablePart[]): DesiredTable {
  const sets = parts.filter((part) => part.kind === 'set');
  const chains = parts.filter((part) => part.kind === 'chain');
  const declared = [...sets.map(declaration), ...chains.flatMap(linesOf)];
  return { name, sets, chains, digest: digestOf(declared.join('\n')) };
}

/** The body of `table <family> <name> { … }`. */
export function tableText({ sets, chains }: Pick<DesiredTable, 'sets' | 'chains'>): string {
  return [...sets.map(filled), ...chains.flatMap(linesOf)].join('\n');
}

export const elementsOf = ({ sets }: Pick<DesiredTable, 'sets'>): LiveSets =>
  new Map(sets.map(({ name, elements }) => [name, elements]));

export const noun = ({ isMap }: DesiredSet): string => (isMap ? 'map' : 'set');

const declaration = (one: DesiredSet): string => `  ${noun(one)} ${one.name} { ${one.type}; }`;

function filled(one: DesiredSet): string {
  const list = one.elements.length === 0 ? '' : ` elements = { ${one.elements.join(', ')} };`;
  return `  ${noun(one)} ${one.name} { ${one.type};${list} }`;
}

const linesOf = ({ name, head, rules }: DesiredChain): string[] => [
  `  chain ${name} {${head === undefined ? '' : ` ${head}; policy accept;`}`,
  ...rules.map((rule) => `    ${rule}`),
  '  }',
];
