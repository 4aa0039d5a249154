import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chooseSlot, isSlotWithin, slotAddress } from '../../../agent/attach/ipam.ts';
import { WarrenError } from '../../../shared/errors.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';

const v4 = parseCidr('10.210.1.0/24');
const v6 = parseCidr('fd00:1::/64');

test('network, gateway and broadcast addresses are never given', () => {
  const used = new Set<number>();
  for (let next = 0; used.size < 253; next += 1) used.add(chooseSlot([v4, v6], used, next));
  const addresses = [...used].map((slot) => slotAddress(v4, slot));
  for (const reserved of ['10.210.1.0', '10.210.1.1', '10.210.1.255']) {
    assert.ok(!addresses.some((address) => address === reserved), reserved);
  }
  assert.throws(
    () => chooseSlot([v4, v6], used, 2),
    (error) => error instanceof WarrenError && error.code === 'addresses-exhausted',
  );
});

test('the slot chosen is free, within the lease, and the first at or after the next one', () => {
  const slots = fc.uniqueArray(fc.integer({ min: 2, max: 30 }), { maxLength: 28 });
  fc.assert(
    fc.property(slots, fc.integer({ min: 0, max: 40 }), (taken, next) => {
      const leases = [parseCidr('10.0.0.0/27')];
      const used = new Set(taken);
      const slot = chooseSlot(leases, used, next);
      assert.ok(!used.has(slot) && isSlotWithin(leases, slot));
      if (next >= 2 && next <= 30) {
        for (let between = next; between < slot; between += 1) assert.ok(used.has(between));
      }
    }),
  );
});

test('a freed slot is not given again at once', () => {
  const used = new Set([2]);
  const second = chooseSlot([v4], used, 3);
  used.delete(2);
  assert.equal(second, 3);
  assert.equal(chooseSlot([v4], new Set([3]), 4), 4);
});

test('a host without a lease says so', () => {
  assert.throws(
    () => chooseSlot([], new Set(), 2),
    (error) => error instanceof WarrenError && error.code === 'no-lease',
  );
});

test('an IPv6 lease alone has slots enough and no broadcast address', () => {
  assert.equal(chooseSlot([v6], new Set(), 0), 2);
  assert.equal(slotAddress(v6, 255), 'fd00:1::ff');
});
