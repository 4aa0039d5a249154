import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { guardSets, linkLocalOf } from '../../../agent/plan/firewall/guard.ts';
import type { PortBinding } from '../../../agent/plan/local.ts';
import { planElements } from '../../../agent/plan/elements.ts';
import { parseAddress } from '../../../shared/net/address.ts';
import { workloadSchema } from '../../../shared/workload.ts';

const bound = (last: number, isOurs = false): PortBinding => ({
  port: `veth${last}`,
  addresses: [`10.210.1.${last}`, `fd00::${last}`].map(parseAddress),
  mac: `02:42:0a:d2:01:0${last}`,
  isOurs,
});

const setsOf = (bindings: readonly PortBinding[], segmented: readonly string[] = []) =>
  guardSets({
    bindings,
    gateways: ['10.210.1.1', 'fd00::1'].map(parseAddress),
    workloads: [
      workloadSchema.parse({
        name: 'one',
        services: [],
        ports: [],
        isHealthy: true,
        variables: [],
        segment: 'blue',
        addresses: segmented,
      }),
    ],
  });

test('a link-local address is made of a MAC address as RFC 4291 says', () => {
  assert.equal(linkLocalOf('02:42:0a:d2:01:05'), 'fe80::42:aff:fed2:105');
  assert.equal(linkLocalOf('00:00:00:00:00:00'), 'fe80::200:ff:fe00:0');
});

test('a port stands with each of its addresses', () => {
  const sets = setsOf([bound(2)]);
  assert.deepEqual(sets.get('ports'), ['"veth2"']);
  assert.deepEqual(sets.get('port4'), ['"veth2" . 10.210.1.2']);
  assert.deepEqual(sets.get('port6'), ['"veth2" . fd00::2', '"veth2" . fe80::42:aff:fed2:102']);
  assert.deepEqual(sets.get('port_mac'), ['"veth2" . 02:42:0a:d2:01:02']);
});

test('unknown ports are kept from the gateway, from ports that the agent makes, and from members of segments', () => {
  assert.deepEqual(setsOf([bound(2), bound(3, true), bound(4)], ['10.210.1.4']).get('closed4'), [
    '10.210.1.1',
    '10.210.1.3',
    '10.210.1.4',
  ]);
});

test('a port without an address, or with a name that a rule cannot hold, stays unknown', () => {
  const odd = { ...bound(2), port: 'a"; flush ruleset' };
  assert.deepEqual(setsOf([odd, { ...bound(3), addresses: [] }]).get('ports'), []);
});

test('from any containers to any others the elements that differ are changed, and no others', () => {
  const some = fc.uniqueArray(fc.integer({ min: 2, max: 9 })).map((lasts) => setsOf(lasts.map((last) => bound(last))));
  fc.assert(
    fc.property(some, some, (from, to) => {
      const now = new Map([...from].map(([name, elements]) => [name, new Set(elements)]));
      for (const { set, added, removed } of planElements(to, from)) {
        for (const one of added) assert.ok(!now.get(set)?.has(one));
        for (const one of removed) assert.ok(now.get(set)?.delete(one));
        for (const one of added) now.get(set)?.add(one);
      }
      assert.deepEqual(new Map([...now].map(([name, elements]) => [name, [...elements].sort()])), to);
      assert.deepEqual(planElements(to, to), []);
    }),
  );
});
