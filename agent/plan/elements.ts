/** Elements of nftables sets, changed one by one: the rules stay as they are, and so does everybody they do not concern. */
import type { LiveSets } from './desired.ts';
import type { ElementChange } from './step.ts';

export function planElements(wanted: LiveSets, now: LiveSets): ElementChange[] {
  return [...wanted].flatMap(([set, elements]) => {
    const has = new Set(now.get(set));
    const should = new Set(elements);
    const added = elements.filter((one) => !has.has(one));
    const removed = [...has].filter((one) => !should.has(one));
    return added.length + removed.length === 0 ? [] : [{ set, added, removed }];
  });
}

/**
 * Statements of one transaction, `of` the family and name of the table. What goes is named first, for an interval set
 * takes no prefix that holds one of its; nobody sees the state between.
 */
export function elementLines(of: string, changes: readonly ElementChange[]): string[] {
  const lines = (verb: 'add' | 'delete', set: string, elements: readonly string[]): string[] =>
    elements.length === 0 ? [] : [`${verb} element ${of} ${set} { ${elements.join(', ')} }`];
  return [
    ...changes.flatMap(({ set, removed }) => lines('delete', set, removed)),
    ...changes.flatMap(({ set, added }) => lines('add', set, added)),
  ];
}
