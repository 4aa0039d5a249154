import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAllowance } from '../../../agent/names/allowance.ts';

const count = (allowance: ReturnType<typeof createAllowance>, asker: string, times: number, now: number): number =>
  Array.from({ length: times }, () => allowance.take(asker, now)).filter(Boolean).length;

test('who asks too much is not heard, and everybody else is', () => {
  const allowance = createAllowance();
  assert.equal(count(allowance, '10.210.1.2', 5_000, 0), 1_000);
  assert.equal(count(allowance, '10.210.1.3', 10, 0), 10);
  assert.equal(count(allowance, '10.210.1.2', 5_000, 1_000), 500);
});

test('a clock that goes back takes nothing away and gives nothing', () => {
  const allowance = createAllowance();
  assert.equal(count(allowance, '10.210.1.2', 1_000, 5_000), 1_000);
  assert.equal(count(allowance, '10.210.1.2', 10, 1_000), 0);
});

test('more askers than are remembered cost no more memory, and are heard', () => {
  const allowance = createAllowance();
  for (let i = 0; i < 10_000; i += 1) assert.ok(allowance.take(`asker-${i}`, 0));
  assert.equal(count(allowance, 'asker-9999', 2_000, 0), 999);
});
