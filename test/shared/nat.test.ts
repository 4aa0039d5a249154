import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type NatBehaviour, predictPath } from '../../shared/nat.ts';

const open: NatBehaviour = { mapping: 'steady', filtering: 'open' };
const address: NatBehaviour = { mapping: 'steady', filtering: 'address' };
const port: NatBehaviour = { mapping: 'steady', filtering: 'port' };
const symmetric: NatBehaviour = { mapping: 'varying', filtering: 'port' };

const behaviour = fc.record<NatBehaviour>({
  mapping: fc.constantFrom('steady', 'varying'),
  filtering: fc.constantFrom('open', 'address', 'port'),
});
const strictness = ['open', 'address', 'port'];

test('who can be reached by anybody meets everybody', () => {
  for (const other of [open, address, port, symmetric]) assert.equal(predictPath(open, other), 'direct');
});

test('two whose ports are steady meet, because each opens its own NAT for the other', () => {
  for (const [a, b] of [
    [address, address],
    [address, port],
    [port, port],
  ] as const) {
    assert.equal(predictPath(a, b), 'direct');
  }
});

test('a symmetric NAT meets one that looks at addresses alone, and none that looks at ports', () => {
  assert.equal(predictPath(symmetric, address), 'direct');
  assert.equal(predictPath(symmetric, port), 'relay');
  assert.equal(predictPath(symmetric, symmetric), 'relay');
});

test('law: both sides predict the same', () => {
  fc.assert(fc.property(behaviour, behaviour, (a, b) => predictPath(a, b) === predictPath(b, a)));
});

test('law: a NAT that lets more in, or whose ports are steady, never makes a direct path impossible', () => {
  fc.assert(
    fc.property(behaviour, behaviour, behaviour, (a, better, b) => {
      const isBetter =
        strictness.indexOf(better.filtering) <= strictness.indexOf(a.filtering) &&
        (better.mapping === 'steady' || a.mapping === 'varying');
      fc.pre(isBetter);
      return predictPath(a, b) === 'relay' || predictPath(better, b) === 'direct';
    }),
  );
});
