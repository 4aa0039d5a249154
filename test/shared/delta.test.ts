import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { diff, follows, patch } from '../../shared/delta.ts';
import { networkMap } from './arbitraries.ts';

test('patching a map with the difference gives the other map', () => {
  fc.assert(fc.property(networkMap(3), networkMap(9), (a, b) => assert.deepEqual(patch(a, diff(a, b)), b)));
});

test('equal maps differ in nothing', () => {
  fc.assert(
    fc.property(networkMap(3), (a) => {
      const delta = diff(a, { ...a, revision: 4 });
      assert.deepEqual([delta.upserts, delta.removes, delta.mesh], [[], [], undefined]);
    }),
  );
});

test('a delta applies again, and to any map between its two revisions, with the same result', () => {
  fc.assert(
    fc.property(networkMap(1), networkMap(2), networkMap(3), (a, b, c) => {
      const whole = diff(a, c);
      const once = patch(a, whole);
      assert.deepEqual(patch(once, whole), once);
      const path = patch(patch(a, diff(a, b)), diff(b, c));
      assert.deepEqual(path, c);
    }),
  );
});

test('a delta with a gap, of another epoch or from the future is refused', () => {
  fc.assert(
    fc.property(networkMap(5), networkMap(9), (a, b) => {
      const delta = diff(a, b);
      assert.ok(follows(a, delta));
      assert.throws(() => patch({ ...a, revision: 4 }, delta), { code: 'conflict' });
      assert.throws(() => patch({ ...a, revision: 10 }, delta), { code: 'conflict' });
      assert.throws(() => patch({ ...a, epoch: 'ebbbbbbbbbbbbbbbb' }, delta), { code: 'conflict' });
    }),
  );
});
