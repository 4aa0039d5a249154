import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Cidr, cidrRange, contains, makeCidr, overlaps, parseCidr } from '../../../shared/net/cidr.ts';
import { type PoolShape, firstGap, poolCapacity, slotPrefix, slotRange } from '../../../server/ipam/allocate.ts';

const pool = (kind: PoolShape['kind'], prefix: string, leaseLength: number): PoolShape => ({
  kind,
  prefix: parseCidr(prefix),
  leaseLength,
});

const anyPool: fc.Arbitrary<PoolShape> = fc
  .record({ family: fc.constantFrom(4, 6), size: fc.nat(30), spare: fc.nat(20), bits: fc.bigInt(0n, 2n ** 128n - 1n) })
  .map(({ family, size, spare, bits }) => {
    const total = family === 4 ? 32 : 128;
    const length = Math.max(8, total - size - spare);
    // Not below ::/8, which no pool may be of and where IPv4-mapped addresses have no spelling.
    const top = family === 4 ? 0n : 1n << 127n;
    const first = (((bits % 2n ** BigInt(total)) | top) >> BigInt(total - length)) << BigInt(total - length);
    const prefix = makeCidr(family === 4 ? 4 : 6, first, length);
    return { kind: 'container', prefix, leaseLength: Math.min(total, length + size) };
  });

test('every slot lies in its pool and no two slots overlap', () => {
  fc.assert(
    fc.property(anyPool, fc.nat(), fc.nat(), (shape, a, b) => {
      const { first, last } = slotRange(shape);
      const [x, y] = [first + (a % (last - first + 1)), first + (b % (last - first + 1))];
      assert.ok(contains(shape.prefix, slotPrefix(shape, x)));
      assert.equal(overlaps(slotPrefix(shape, x), slotPrefix(shape, y)), x === y);
    }),
  );
});

test('the last slot ends where the pool does, and the capacity counts every slot', () => {
  fc.assert(
    fc.property(anyPool, (shape) => {
      const { first, last } = slotRange(shape);
      assert.equal(cidrRange(slotPrefix(shape, last)).last, cidrRange(shape.prefix).last);
      assert.equal(poolCapacity(shape), BigInt(last - first + 1));
    }),
  );
});

test('overlay pools keep network, broadcast and anycast addresses to themselves', () => {
  const v4 = pool('overlay', '10.86.0.0/24', 32);
  assert.deepEqual(slotRange(v4), { first: 1, last: 254 });
  assert.equal(poolCapacity(v4), 254n);
  const v6 = pool('overlay', 'fd00::/64', 128);
  assert.equal(slotPrefix(v6, slotRange(v6).first), 'fd00::1/128');
  assert.equal(poolCapacity(v6), 2n ** 64n - 1n);
  assert.equal(slotPrefix(v6, slotRange(v6).last), 'fd00::ffff:ffff:ffff/128');
});

test('a container pool is used whole', () => {
  const shape = pool('container', '10.210.0.0/22', 24);
  const { first, last } = slotRange(shape);
  const prefixes: Cidr[] = [];
  for (let slot = first; slot <= last; slot += 1) prefixes.push(slotPrefix(shape, slot));
  assert.deepEqual(prefixes, ['10.210.0.0/24', '10.210.1.0/24', '10.210.2.0/24', '10.210.3.0/24']);
});

test('the first gap is the least free slot, or none', () => {
  const slots = fc.uniqueArray(fc.nat(30), { maxLength: 31 });
  fc.assert(
    fc.property(slots, fc.nat(30), fc.nat(30), (list, from, last) => {
      const taken = list.filter((slot) => slot >= from).sort((a, b) => a - b);
      const all = Array.from({ length: Math.max(0, last - from + 1) }, (_, i) => from + i);
      assert.equal(
        firstGap(from, last, taken),
        all.find((slot) => !taken.includes(slot)),
      );
    }),
  );
});
