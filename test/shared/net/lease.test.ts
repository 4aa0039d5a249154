import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressAt, parseCidr } from '../../../shared/net/cidr.ts';
import { parseLease } from '../../../shared/net/lease.ts';
import { cidr } from './cidr.test.ts';

test('a lease without room for a container is refused, and the longest that has it is named', () => {
  for (const text of ['10.86.0.2/32', '10.210.1.0/31', 'fd00::1/128', 'fd00::/127']) {
    assert.throws(() => parseLease(text), /no room for containers; give at most \/(30|126)$/);
  }
  for (const text of ['10.210.1.0/30', 'fd00::/126', '10.210.1.0/24']) assert.equal(parseLease(text), text);
});

test('whatever is taken for a lease has a gateway and a container beside it', () => {
  fc.assert(
    fc.property(cidr, (prefix) => {
      try {
        parseLease(prefix);
      } catch {
        return;
      }
      assert.notEqual(addressAt(parseCidr(prefix), 1n), addressAt(parseCidr(prefix), 2n));
    }),
  );
});
