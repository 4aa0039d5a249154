import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { indexRanges, keyOf, rangeOf } from '../../../agent/plan/ranges.ts';
import { type Family, addressBits, formatAddress } from '../../../shared/net/address.ts';
import { type Cidr, cidrRange, contains, makeCidr, overlaps } from '../../../shared/net/cidr.ts';

/** Few distinct bits, so that prefixes nest, repeat and touch. */
const cidrs = fc
  .record({ family: fc.constantFrom<Family>(4, 6), bits: fc.integer({ min: 0, max: 255 }), length: fc.nat({ max: 8 }) })
  .map(({ family, bits, length }): Cidr => {
    const width = addressBits(family);
    const kept = BigInt(bits) >> BigInt(8 - length);
    const long = bits % 3 === 0 ? width - 8 + length : length;
    const first = long === length ? kept << BigInt(width - length) : kept << BigInt(8 - length);
    return makeCidr(family, first, long);
  });

test('a range compares as its integers do', () => {
  fc.assert(
    fc.property(cidrs, (cidr) => {
      const { family, first, last } = cidrRange(cidr);
      const bits = addressBits(family) / 4;
      const key = (value: bigint): string => `${family}${value.toString(16).padStart(bits, '0')}`;
      assert.deepEqual(rangeOf(cidr), { first: key(first), last: key(last) });
      assert.equal(keyOf(formatAddress({ family, value: last })), key(last));
    }),
  );
});

test('host bits of an address with its length are cut off', () => {
  assert.deepEqual(rangeOf('192.168.7.66/26'), rangeOf('192.168.7.64/26'));
  assert.deepEqual(rangeOf('fd00::1/127'), rangeOf('fd00::/127'));
});

test('the index finds what holds or overlaps a prefix exactly as comparing with every entry does', () => {
  fc.assert(
    fc.property(fc.array(cidrs, { maxLength: 20 }), cidrs, (all, wanted) => {
      const index = indexRanges(all, rangeOf);
      const covering = [...index.covering(rangeOf(wanted))];
      assert.deepEqual([...covering].sort(), all.filter((cidr) => contains(cidr, wanted)).sort());
      const lengths = covering.map((cidr) => cidrRange(cidr).length);
      assert.deepEqual(
        lengths,
        [...lengths].sort((a, b) => b - a),
      );
      const overlap = index.overlap(rangeOf(wanted));
      const isAny = all.some((cidr) => overlaps(cidr, wanted));
      assert.equal(overlap !== undefined, isAny);
      if (overlap !== undefined) assert.ok(overlaps(overlap, wanted));
    }),
  );
});

test('every nested pair is visited once, the outer one first', () => {
  fc.assert(
    fc.property(fc.array(cidrs, { maxLength: 20 }), (all) => {
      const unique = [...new Set(all)];
      const seen: string[] = [];
      indexRanges(unique, rangeOf).eachNested((outer, inner) => seen.push(`${outer} ${inner}`));
      const expected = unique.flatMap((outer) =>
        unique.filter((inner) => inner !== outer && contains(outer, inner)).map((inner) => `${outer} ${inner}`),
      );
      assert.deepEqual(seen.sort(), expected.sort());
    }),
  );
});
