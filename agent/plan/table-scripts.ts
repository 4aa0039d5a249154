/**
 * How a table of nftables becomes another one without a packet lost. A set with intervals is looked up in a copy that the
 * kernel makes at the very end of a transaction (seen on 6.18): until then whoever asks a new one finds nothing, and a
 * rule such as `saddr != @set drop` drops what it should pass. So sets come first, filled, in a transaction of their own,
 * and stay while the rules that ask them change. Rules, chains and elements of sets that stand lose nothing, whatever of
 * them changes in one transaction; `test/mesh/table-change.test.ts` holds it.
 */
import type { DesiredTable, LiveSets } from './desired.ts';
import { elementLines, planElements } from './elements.ts';
import { elementsOf, noun, tableText } from './nft-table.ts';
import type { TableFamily } from './step.ts';

export interface StandingTable {
  /** Name -> head; empty text for chains that only rules lead to. */
  readonly chains: ReadonlyMap<string, string>;
  readonly sets: LiveSets;
}

export const noTable: StandingTable = { chains: new Map(), sets: new Map() };

/** One transaction, whatever stands there now. */
export function replaceScript(family: TableFamily, table: DesiredTable): string {
  const of = `table ${family} ${table.name}`;
  return `${of} {\n}\ndelete ${of}\n${of} {\n${tableText(table)}\n  chain seal {\n  }\n}\n`;
}

/** Transactions in order. If the agent dies between them, the table is not as its seal says, and is replaced. */
export function changeScripts(family: TableFamily, table: DesiredTable, now: StandingTable): string[] {
  const of = `${family} ${table.name}`;
  const maps = new Set(table.sets.filter(({ isMap }) => isMap).map(({ name }) => name));
  const changes = planElements(elementsOf(table), now.sets);
  const missing = table.sets.filter(({ name }) => !now.sets.has(name));
  const sets = [
    `add table ${of}`,
    ...missing.map((one) => `add ${noun(one)} ${of} ${one.name} { ${one.type}; }`),
    ...elementLines(
      of,
      changes.filter(({ set }) => !maps.has(set)),
    ),
  ];
  const verdicts = elementLines(
    of,
    changes.filter(({ set }) => maps.has(set)),
  );
  return [sets, ruleLines(of, table, now, verdicts)].map((lines) => lines.map((line) => `${line}\n`).join(''));
}

/** Elements of verdict maps go before the chains that they lead to, and come after them. */
function ruleLines(of: string, table: DesiredTable, now: StandingTable, verdicts: readonly string[]): string[] {
  const chains = [...table.chains, { name: 'seal', head: undefined, rules: [] }];
  const headOf = new Map(chains.map(({ name, head }) => [name, head ?? '']));
  const sets = new Set(table.sets.map(({ name }) => name));
  const isAdding = (line: string): boolean => line.startsWith('add');
  return [
    ...[...now.chains.keys()].map((name) => `flush chain ${of} ${name}`),
    ...verdicts.filter((line) => !isAdding(line)),
    ...[...now.sets.keys()].filter((name) => !sets.has(name)).map((name) => `delete set ${of} ${name}`),
    ...[...now.chains].flatMap(([name, head]) => (headOf.get(name) === head ? [] : [`delete chain ${of} ${name}`])),
    ...chains.map(
      ({ name, head }) => `add chain ${of} ${name}${head === undefined ? '' : ` { ${head}; policy accept; }`}`,
    ),
    ...verdicts.filter(isAdding),
    ...chains.flatMap(({ name, rules }) => rules.map((rule) => `add rule ${of} ${name} ${rule}`)),
  ];
}
