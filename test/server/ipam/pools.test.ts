import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contains, overlaps, parseCidr } from '../../../shared/net/cidr.ts';
import type { PoolShape } from '../../../server/ipam/allocate.ts';
import { defaultLeaseLength, firstPools, refusePool } from '../../../server/ipam/pools.ts';

const pool = (kind: PoolShape['kind'], prefix: string, leaseLength?: number): PoolShape => ({
  kind,
  prefix: parseCidr(prefix),
  leaseLength: leaseLength ?? defaultLeaseLength(kind, parseCidr(prefix)),
});
const nothing = { pools: [], subnets: [] };

test('the pools of a new mesh are one of each kind and family, and disjoint', () => {
  const ula = parseCidr('fd12:3456:789a::/48');
  const overlayPool = parseCidr('10.86.0.0/16');
  const pools = firstPools({ overlayPool, containerPool: parseCidr('10.210.0.0/16'), ula });
  assert.deepEqual(
    pools.map(({ kind, prefix, leaseLength }) => `${kind} ${prefix} ${leaseLength}`),
    [
      'overlay 10.86.0.0/16 32',
      'overlay fd12:3456:789a::/64 128',
      'container 10.210.0.0/16 24',
      'container fd12:3456:789a:8000::/49 64',
    ],
  );
  for (const [index, a] of pools.entries()) {
    refusePool(a, { pools: pools.slice(0, index), subnets: [] });
    for (const b of pools.slice(index + 1)) assert.ok(!overlaps(a.prefix, b.prefix));
  }
  assert.ok(pools.filter(({ prefix }) => prefix.includes(':')).every(({ prefix }) => contains(ula, prefix)));
});

test('a pool over another pool or an approved subnet is refused by name', () => {
  const used = { pools: [pool('container', '10.210.0.0/16')], subnets: [parseCidr('192.168.7.0/24')] };
  assert.throws(() => refusePool(pool('container', '10.210.3.0/24'), used), {
    code: 'prefix-overlaps',
    field: 'prefix',
    message: /the pool 10\.210\.0\.0\/16/,
  });
  assert.throws(() => refusePool(pool('overlay', '192.168.0.0/16'), used), {
    code: 'prefix-overlaps',
    message: /approved subnet 192\.168\.7\.0\/24/,
  });
  refusePool(pool('container', '10.211.0.0/16'), used);
});

test('a pool that can never be routed in a mesh is refused', () => {
  for (const prefix of ['127.0.0.0/16', '224.0.0.0/8', 'fe80::/16', '169.254.0.0/16']) {
    assert.throws(() => refusePool(pool('container', prefix), nothing), { code: 'prefix-refused' }, prefix);
  }
});

test('a lease length that gives no room, or none at all, is refused with what to give', () => {
  const cases: [PoolShape, RegExp][] = [
    [pool('overlay', '10.0.0.0/16', 24), /32/],
    [pool('container', '10.0.0.0/16', 31), /at most 30/],
    [pool('container', 'fd00::/48', 127), /at most 126/],
    [pool('container', '10.0.0.0/16', 12), /at least 16/],
  ];
  for (const [shape, message] of cases) {
    assert.throws(() => refusePool(shape, nothing), { code: 'request-invalid', field: 'leaseLength', message });
  }
  refusePool(pool('container', '10.0.0.0/24', 24), nothing);
});

test('a mesh has at most as many pools of a kind as its settings hold', () => {
  const pools = Array.from({ length: 32 }, (_, n) => pool('container', `10.${n}.0.0/16`));
  assert.throws(() => refusePool(pool('container', '10.99.0.0/16'), { pools, subnets: [] }), { code: 'conflict' });
  refusePool(pool('overlay', '10.99.0.0/16'), { pools, subnets: [] });
});
