import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { baseChain, chain, makeTable, set, verdictMap } from '../../../agent/plan/nft-table.ts';
import type { ObservedTable } from '../../../agent/plan/observed.ts';
import { planTable } from '../../../agent/plan/tables.ts';
import { checkSeal, parseListing } from '../../../agent/system/nft.ts';
import { FakeNft } from '../../support/fake-host-nft.ts';

const hooks = ['input', 'forward'] as const;

const shapes = fc.record({
  prefixes: fc.uniqueArray(fc.constantFrom('10.0.0.0/8', '192.168.7.0/24', '192.168.8.0/24')),
  names: fc.uniqueArray(fc.constantFrom('mesh', 'lease', 'dead')),
  members: fc.uniqueArray(fc.constantFrom('red', 'blue', 'green')),
  hook: fc.constantFrom(...hooks),
  rules: fc.array(fc.constantFrom('accept', 'counter drop')),
});
type Shape = typeof shapes extends fc.Arbitrary<infer T> ? T : never;

const tableOf = ({ prefixes, names, members, hook, rules }: Shape) =>
  makeTable('warren', [
    ...names.map((name) => set(name, 'type ipv4_addr; flags interval', prefixes)),
    ...(members.length === 0
      ? []
      : [
          verdictMap(
            'segments',
            'ipv4_addr',
            members.map((name, i) => `10.0.0.${i} : jump to_${name}`),
          ),
        ]),
    ...members.map((name) => chain(`to_${name}`, ['counter'])),
    baseChain('check', { type: 'filter', hook, priority: -10 }, [
      ...rules,
      ...names.map((name) => `ip saddr != @${name} drop`),
      ...(members.length === 0 ? [] : ['ip saddr vmap @segments']),
    ]),
  ]);

function look(nft: FakeNft): ObservedTable {
  const json = nft.listJson('warren');
  return json === undefined ? { kind: 'missing' } : checkSeal(parseListing(json));
}

function become(nft: FakeNft, table: ReturnType<typeof tableOf>): string[] {
  return planTable('inet', table, look(nft)).map((step) => {
    if (step.kind === 'table-set') {
      for (const script of step.scripts) nft.script(script);
      const { digest } = parseListing(nft.listJson('warren') ?? '');
      nft.script(`add rule inet warren seal return comment "warren:${step.digest}:${digest}"\n`);
    }
    if (step.kind === 'elements-set')
      for (const { set: name, added, removed } of step.changes) {
        if (removed.length > 0) nft.script(`delete element inet warren ${name} { ${removed.join(', ')} }`);
        if (added.length > 0) nft.script(`add element inet warren ${name} { ${added.join(', ')} }`);
      }
    return step.kind;
  });
}

test('from any table to any other it is changed where it stands, and nothing is left to do', () => {
  fc.assert(
    fc.property(fc.array(shapes, { minLength: 2, maxLength: 4 }), (all) => {
      const nft = new FakeNft();
      for (const table of all.map(tableOf)) {
        become(nft, table);
        assert.deepEqual(become(nft, table), []);
        const made = nft.tables.get('warren');
        assert.deepEqual(new Set(made?.chains.keys()), new Set([...table.chains.map(({ name }) => name), 'seal']));
        assert.deepEqual(new Set(made?.sets.keys()), new Set(table.sets.map(({ name }) => name)));
      }
    }),
    { numRuns: 100 },
  );
});

test('a set is filled in a transaction of its own, before a rule asks it', () => {
  const shape: Shape = { prefixes: ['10.0.0.0/8'], names: ['mesh'], members: [], hook: 'input', rules: [] };
  const [step] = planTable('inet', tableOf(shape), { kind: 'missing' });
  assert.equal(step?.kind, 'table-set');
  const [first = '', second = ''] = step?.kind === 'table-set' ? step.scripts : [];
  assert.match(first, /^add element inet warren mesh \{ 10\.0\.0\.0\/8 \}$/m);
  assert.doesNotMatch(first, /rule|chain/);
  assert.match(second, /^add rule inet warren check ip saddr != @mesh drop$/m);
  assert.doesNotMatch(second, /element|add set/);
});

test('where elements alone differ no rule is touched, and nothing of an altered table is kept', () => {
  const shape: Shape = { prefixes: ['10.0.0.0/8'], names: ['mesh'], members: [], hook: 'input', rules: [] };
  const nft = new FakeNft();
  assert.deepEqual(become(nft, tableOf(shape)), ['table-set']);
  assert.deepEqual(become(nft, tableOf({ ...shape, prefixes: [] })), ['elements-set']);
  nft.script('add rule inet warren check accept');
  const [step] = planTable('inet', tableOf(shape), look(nft));
  assert.deepEqual(step?.kind === 'table-set' ? step.scripts : undefined, []);
});
