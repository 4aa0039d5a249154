import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { owners } from '../../shared/owners.ts';
import { hostRecords } from './arbitraries.ts';

test('every advertised prefix has exactly one owner, and the owner advertises it', () => {
  fc.assert(
    fc.property(hostRecords, (hosts) => {
      const picked = owners(hosts);
      const advertised = new Set(hosts.flatMap((host) => host.subnets.map(({ prefix }) => prefix)));
      assert.deepEqual(new Set(picked.keys()), advertised);
      for (const [prefix, id] of picked) {
        assert.ok(hosts.find((host) => host.id === id)?.subnets.some((subnet) => subnet.prefix === prefix));
      }
    }),
  );
});

test('the order in which hosts are listed does not matter', () => {
  fc.assert(fc.property(hostRecords, (hosts) => assert.deepEqual(owners(hosts), owners([...hosts].reverse()))));
});

test('no host that is not gone loses to one that is, nor a lower weight to a higher', () => {
  fc.assert(
    fc.property(hostRecords, (hosts) => {
      for (const [prefix, id] of owners(hosts)) {
        const rank = (host: (typeof hosts)[number]): [number, number] => [
          Number(host.isGone),
          host.subnets.find((subnet) => subnet.prefix === prefix)?.weight ?? Infinity,
        ];
        const owner = hosts.find((host) => host.id === id);
        assert.ok(owner);
        for (const rival of hosts) {
          if (!rival.subnets.some((subnet) => subnet.prefix === prefix)) continue;
          const [a, b] = [rank(owner), rank(rival)];
          assert.ok(a[0] < b[0] || (a[0] === b[0] && a[1] <= b[1]));
        }
      }
    }),
  );
});
