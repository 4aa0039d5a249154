/** The agent's nftables tables: the rules are replaced as a whole, elements of sets called `live_…` one by one. */
import type { Desired, DesiredTable, LiveSets } from './desired.ts';
import type { Observed, ObservedTable } from './observed.ts';
import type { ElementChange, Step } from './step.ts';

export function planTables({ table, bridgeTable, isMember }: Desired, observed: Observed): Step[] {
  const isNothing = observed.table.kind === 'missing' && !isMember;
  return [
    ...(isNothing ? [] : planTable('inet', table, observed.table)),
    ...(bridgeTable === undefined
      ? withoutTable(table.name, observed.bridgeTable)
      : planTable('bridge', bridgeTable, observed.bridgeTable)),
  ];
}

function planTable(family: 'inet' | 'bridge', table: DesiredTable, now: ObservedTable): Step[] {
  if (now.kind === 'sealed' && now.digest === table.digest) {
    const changes = planElements(table.sets, now.sets);
    if (changes.length === 0) return [];
    return [{ kind: 'elements-set', family, name: table.name, changes, why: 'others are on the bridge' }];
  }
  const why =
    now.kind === 'missing'
      ? 'the table is missing'
      : now.kind === 'altered'
        ? 'somebody altered the table'
        : 'the rules changed';
  return [{ kind: 'table-replace', family, ...table, why }];
}

const withoutTable = (name: string, now: ObservedTable): Step[] =>
  now.kind === 'missing'
    ? []
    : [{ kind: 'table-remove', family: 'bridge', name, why: 'this host has no containers on the mesh' }];

/** Elements alone: the rules stay as they are, and so does everybody whom the change does not concern. */
export function planElements(wanted: LiveSets, now: LiveSets): ElementChange[] {
  return [...wanted].flatMap(([set, elements]) => {
    const has = new Set(now.get(set));
    const should = new Set(elements);
    const added = elements.filter((one) => !has.has(one));
    const removed = [...has].filter((one) => !should.has(one));
    return added.length + removed.length === 0 ? [] : [{ set, added, removed }];
  });
}
