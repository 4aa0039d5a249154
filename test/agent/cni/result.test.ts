import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CniError } from '../../../agent/cni/error.ts';
import { type CniResult, formatResult, mergeResults, parseResult } from '../../../agent/cni/result.ts';
import { supportedVersions } from '../../../agent/cni/version.ts';

const ours: CniResult = {
  interfaces: [
    { name: 'wv1', mac: '02:00:00:00:00:01' },
    { name: 'eth0', mac: '02:00:00:00:00:02', mtu: 1420, sandbox: '/run/netns/n' },
  ],
  ips: [
    { address: '10.210.1.2/24', gateway: '10.210.1.1', interface: 1 },
    { address: 'fd00:1::2/64', gateway: 'fd00:1::1', interface: 1 },
  ],
  routes: [
    { dst: '0.0.0.0/0', gw: '10.210.1.1' },
    { dst: '::/0', gw: 'fd00:1::1' },
  ],
  dns: {},
};

test('the first versions have one address a family and no interfaces', () => {
  assert.deepEqual(formatResult(ours, '0.2.0'), {
    cniVersion: '0.2.0',
    ip4: { ip: '10.210.1.2/24', gateway: '10.210.1.1', routes: [{ dst: '0.0.0.0/0', gw: '10.210.1.1' }] },
    ip6: { ip: 'fd00:1::2/64', gateway: 'fd00:1::1', routes: [{ dst: '::/0', gw: 'fd00:1::1' }] },
    dns: {},
  });
});

test('later ones have interfaces, the family until 1.0 and the MTU from 1.1 on', () => {
  for (const version of supportedVersions.filter((one) => one >= '0.3.0')) {
    const { ips, interfaces } = formatResult(ours, version) as { ips: object[]; interfaces: object[] };
    assert.equal(
      ips.every((ip) => 'version' in ip),
      version < '1.0.0',
      version,
    );
    assert.equal(
      interfaces.some((one) => 'mtu' in one),
      version === '1.1.0',
      version,
    );
  }
});

test('what a plugin before this one made stays first, and ours points at ours', () => {
  const before = parseResult(
    { interfaces: [{ name: 'lo' }], ips: [{ version: '4', address: '127.0.0.1/8', interface: 0 }], routes: null },
    '0.4.0',
  );
  const merged = mergeResults(before, ours);
  assert.deepEqual(
    merged.ips.map((ip) => merged.interfaces[ip.interface ?? -1]?.name),
    ['lo', 'eth0', 'eth0'],
  );
});

test('a result is read as it was written, in each version, and nonsense is refused', () => {
  for (const version of supportedVersions) {
    const again = parseResult(formatResult(ours, version), version);
    assert.deepEqual(
      again.ips.map(({ address, gateway }) => [address, gateway]),
      ours.ips.map(({ address, gateway }) => [address, gateway]),
    );
  }
  assert.throws(() => parseResult({ ips: [{ address: 7 }] }, '1.0.0'), CniError);
});
