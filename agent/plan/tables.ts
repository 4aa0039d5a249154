/** The agent's nftables tables: made, changed where they stand, and replaced as a whole where somebody altered them. */
import type { Desired, DesiredTable } from './desired.ts';
import { planElements } from './elements.ts';
import { elementsOf } from './nft-table.ts';
import type { Observed, ObservedTable } from './observed.ts';
import type { Step, TableFamily } from './step.ts';
import { changeScripts, noTable, replaceScript } from './table-scripts.ts';

export function planTables({ table, bridgeTable, isMember }: Desired, observed: Observed): Step[] {
  const isNothing = observed.table.kind === 'missing' && !isMember;
  return [
    ...(isNothing ? [] : planTable('inet', table, observed.table)),
    ...(bridgeTable === undefined
      ? withoutTable(table.name, observed.bridgeTable)
      : planTable('bridge', bridgeTable, observed.bridgeTable)),
  ];
}

export function planTable(family: TableFamily, table: DesiredTable, now: ObservedTable): Step[] {
  const { name, digest } = table;
  const whole = replaceScript(family, table);
  switch (now.kind) {
    case 'missing':
      return [tableSet(changeScripts(family, table, noTable), 'the table is missing')];
    case 'altered':
      return [tableSet([], 'somebody altered the table')];
    case 'sealed': {
      if (now.digest !== digest) return [tableSet(changeScripts(family, table, now), 'the rules changed')];
      const changes = planElements(elementsOf(table), now.sets);
      const why = `others are in ${changes.map(({ set }) => set).join(', ')}`;
      return changes.length === 0 ? [] : [{ kind: 'elements-set', family, name, changes, why }];
    }
  }

  function tableSet(scripts: readonly string[], why: string): Step {
    return { kind: 'table-set', family, name, digest, scripts, whole, why };
  }
}

const withoutTable = (name: string, now: ObservedTable): Step[] =>
  now.kind === 'missing'
    ? []
    : [{ kind: 'table-remove', family: 'bridge', name, why: 'this host has no containers on the mesh' }];
