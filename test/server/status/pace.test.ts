import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hostId } from '../../shared/arbitraries.ts';
import { createPace } from '../../../server/status/pace.ts';

const a = hostId(1);

test('five changes pass at once, then one every ten seconds, and after a rest five again', () => {
  const pace = createPace();
  const many = (now: number): number => Array.from({ length: 20 }, () => pace.mayTell(a, now)).filter(Boolean).length;
  assert.deepEqual([0, 1, 9_999, 10_000, 20_000, 20_001, 100_000].map(many), [5, 0, 0, 1, 1, 0, 5]);
});

test('a host is held back by nobody but itself, and forgotten when it leaves', () => {
  const pace = createPace();
  for (let i = 0; i < 9; i += 1) pace.mayTell(a, 0);
  assert.deepEqual([pace.mayTell(a, 0), pace.mayTell(hostId(2), 0)], [false, true]);
  pace.forget(a);
  assert.equal(pace.mayTell(a, 0), true);
});

test('however changes fall, no minute has more than eleven of a host, and a clock set back holds nobody', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20_000), { maxLength: 200 }), (waits) => {
      const pace = createPace();
      let now = 1_000_000;
      const passed = waits.map((wait) => (now += wait)).filter((at) => pace.mayTell(a, at));
      for (const at of passed) assert.ok(passed.filter((other) => other >= at && other < at + 60_000).length <= 11);
      assert.equal(pace.mayTell(a, now - 900_000), true);
    }),
  );
});
