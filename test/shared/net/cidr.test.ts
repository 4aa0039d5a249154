import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Family } from '../../../shared/net/address.ts';
import {
  type Cidr,
  addressAt,
  cidrRange,
  compareCidr,
  contains,
  containsAddress,
  makeCidr,
  overlaps,
  parseCidr,
} from '../../../shared/net/cidr.ts';
import { refuseReserved } from '../../../shared/net/reserved.ts';

const bits = (family: Family): number => (family === 4 ? 32 : 128);

export const cidr = fc
  .constantFrom<Family>(4, 6)
  .chain((family) =>
    fc.tuple(
      fc.constant(family),
      fc.integer({ min: 0, max: bits(family) }),
      fc.bigInt({ min: 0n, max: (1n << BigInt(bits(family))) - 1n }),
    ),
  )
  .map(([family, length, value]) => {
    const size = 1n << BigInt(bits(family) - length);
    return makeCidr(family, value - (value % size), length);
  })
  // The ends of these are IPv4-mapped addresses, which are no addresses here (`::/80` ends in one).
  .filter((text) => ![cidrRange(text).first, cidrRange(text).last].some((end) => end >> 32n === 0xffffn));

test('a prefix survives parse, and its range has the size its length says', () => {
  fc.assert(
    fc.property(cidr, (text) => {
      const range = cidrRange(text);
      assert.equal(range.last - range.first + 1n, 1n << BigInt(bits(range.family) - range.length));
      assert.equal(makeCidr(range.family, range.first, range.length), text);
    }),
  );
});

test('overlap is symmetric and the same as sharing an address', () => {
  fc.assert(
    fc.property(cidr, cidr, (a, b) => {
      assert.equal(overlaps(a, b), overlaps(b, a));
      const x = cidrRange(a);
      const y = cidrRange(b);
      assert.equal(overlaps(a, b), x.family === y.family && x.first <= y.last && y.first <= x.last);
    }),
  );
});

test('a prefix contains its first and last address and not the ones beside it', () => {
  fc.assert(
    fc.property(cidr, (text) => {
      const { first, last } = cidrRange(text);
      assert.ok(containsAddress(text, addressAt(text, 0n)));
      assert.ok(containsAddress(text, addressAt(text, last - first)));
      assert.throws(() => addressAt(text, last - first + 1n), RangeError);
      assert.ok(contains(text, text));
    }),
  );
});

test('order is total and puts the wider of two nested prefixes first', () => {
  const sorted = (['10.0.1.0/24', 'fd00::/64', '10.0.0.0/16', '10.0.0.0/24'] as Cidr[]).sort(compareCidr);
  assert.deepEqual(sorted, ['10.0.0.0/16', '10.0.0.0/24', '10.0.1.0/24', 'fd00::/64']);
});

test('prefixes that are not canonical are refused with the right spelling', () => {
  assert.throws(() => parseCidr('10.0.0.1/24'), /host bits must be zero: 10\.0\.0\.0\/24/);
  for (const text of [
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0.0/024',
    '10.0.0.0/-1',
    '10.0.0.0/24 ',
    'fd00::/129',
    '/',
    '',
  ]) {
    assert.throws(() => parseCidr(text), { code: 'cidr-invalid' }, text);
  }
});

test('prefixes that no mesh may route are refused', () => {
  for (const text of [
    '0.0.0.0/0',
    '127.0.0.0/24',
    '224.0.0.0/8',
    '169.254.1.0/24',
    '::/0',
    'fe80::/64',
    '10.0.0.0/7',
  ]) {
    assert.throws(() => refuseReserved(parseCidr(text)), { code: 'prefix-refused' }, text);
  }
  refuseReserved(parseCidr('192.168.7.0/24'));
  refuseReserved(parseCidr('fd00:1::/64'));
});
