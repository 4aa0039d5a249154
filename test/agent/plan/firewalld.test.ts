import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { desireFirewalld, planFirewalld, zoneName } from '../../../agent/plan/firewalld.ts';
import type { ObservedFirewalld } from '../../../agent/plan/observed.ts';
import { linkMark } from '../../../agent/plan/settings.ts';
import { settingsOf } from '../../support/agent-fixture.ts';

const settings = settingsOf(1);
const mark = linkMark(settings);
const wish = (bridges: readonly string[] = ['warren-br'], hasEngine = false) =>
  desireFirewalld(settings, mark, bridges, hasEngine);
const links = new Map<string, { readonly alias: string | undefined }>([
  ['warren0', { alias: mark }],
  ['warren-br', { alias: mark }],
  ['br-0123', { alias: undefined }],
  ['eth0', { alias: undefined }],
]);
const { seal } = wish();
const fresh: ObservedFirewalld = { zones: ['public'], seals: [], zoneOf: new Map([['eth0', 'public']]) };
const done: ObservedFirewalld = {
  zones: ['public', 'warren'],
  seals: [seal, seal, seal, seal],
  zoneOf: new Map([
    ['warren0', 'warren'],
    ['warren-br', 'warren'],
  ]),
};
const bindsOf = (...args: Parameters<typeof planFirewalld>): string[] =>
  planFirewalld(...args).flatMap((step) =>
    step.kind === 'firewalld-bind' ? [`${step.interfaceName} ${step.zone}`] : [],
  );

test('a firewalld that does not know the mesh is told once of the zone, then where our links are', () => {
  const steps = planFirewalld(wish(), fresh, links);
  assert.deepEqual(
    steps.map(({ kind }) => kind),
    ['firewalld-set', 'firewalld-bind', 'firewalld-bind'],
  );
  assert.deepEqual(planFirewalld(wish(), done, links), []);
});

test('a host without firewalld, or without a part in the mesh, gets no step', () => {
  assert.deepEqual(planFirewalld(wish(), undefined, links), []);
  assert.deepEqual(planFirewalld(undefined, done, links), []);
});

test('a zone or policy that is missing, of another port or of somebody else has all of them made anew', () => {
  const moved = desireFirewalld({ ...settings, listenPort: 51999 }, mark, ['warren-br'], false);
  for (const [wanted, seals] of [
    [wish(), [seal, seal, seal]],
    [wish(), [seal, seal, seal, 'mine']],
    [moved, done.seals],
  ] as const)
    assert.equal(planFirewalld(wanted, { ...done, seals }, links)[0]?.kind, 'firewalld-set');
});

test('a link that is not there yet, or not ours, is put nowhere', () => {
  assert.deepEqual(bindsOf(wish(), { ...done, zoneOf: new Map() }, new Map([['warren0', { alias: mark }]])), [
    'warren0 warren',
  ]);
  const others = new Map([...links.keys()].map((name) => [name, { alias: 'theirs' }] as const));
  assert.deepEqual(bindsOf(wish(), { ...done, zoneOf: new Map() }, others), []);
});

test("beside an engine with a zone of its own the bridges are in that one, the engine's too", () => {
  const beside = { ...done, zones: ['docker', 'public', 'warren'] };
  assert.deepEqual(bindsOf(wish(['warren-br', 'br-0123'], true), beside, links), [
    'warren-br docker',
    'br-0123 docker',
  ]);
  // The zone is left over from an engine that is gone.
  assert.deepEqual(bindsOf(wish(), beside, links), []);
});

test('what firewalld has after the steps needs none', () => {
  const zones = fc.subarray<string>(['docker', 'public', 'warren']);
  const places = fc.dictionary(
    fc.constantFrom('warren0', 'warren-br', 'br-0123', 'eth0'),
    fc.constantFrom<string>('public', 'docker', 'warren'),
  );
  fc.assert(
    fc.property(
      zones,
      fc.array(fc.constantFrom(seal, 'other'), { maxLength: 4 }),
      places,
      fc.boolean(),
      (known, seals, placed, hasEngine) => {
        const wanted = wish(hasEngine ? ['warren-br', 'br-0123'] : ['warren-br'], hasEngine);
        const zoneOf = new Map(Object.entries(placed));
        let after: ObservedFirewalld = { zones: known, seals, zoneOf };
        for (const step of planFirewalld(wanted, after, links)) {
          if (step.kind === 'firewalld-set')
            after = { ...after, seals: [seal, seal, seal, seal], zones: [...known, step.zone] };
          if (step.kind === 'firewalld-bind') zoneOf.set(step.interfaceName, step.zone);
        }
        assert.deepEqual(planFirewalld(wanted, after, links), []);
      },
    ),
  );
});

test('a zone has a name that firewalld takes, and each instance another', () => {
  assert.equal(zoneName('warren'), 'warren');
  const long = ['warren-production-eu', 'warren-production-us'].map(zoneName);
  assert.equal(new Set(long).size, 2);
  for (const name of long) assert.match(name, /^[a-z0-9-]{1,13}$/);
});
