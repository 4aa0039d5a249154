import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGate } from '../../../server/feed/gate.ts';

test('no more than the limit are inside, and those who wait enter in the order they came', async () => {
  const gate = createGate(2);
  const entered: number[] = [];
  const leave: (() => void)[] = [];
  const all = [0, 1, 2, 3, 4].map(async (n) => {
    leave[n] = await gate.enter();
    entered.push(n);
  });
  await Promise.all(all.slice(0, 2));
  assert.deepEqual(entered, [0, 1]);
  leave[1]?.();
  leave[1]?.();
  await all[2];
  assert.deepEqual(entered, [0, 1, 2]);
  leave[0]?.();
  leave[2]?.();
  await Promise.all(all);
  assert.deepEqual(entered, [0, 1, 2, 3, 4]);
});
