import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nameOfMachine, parseAdvertise } from '../../agent/enroll.ts';
import { makeCsr, makeIdentityKey } from '../../agent/identity.ts';
import { makeWireguardKeys, readWireguardKeys } from '../../agent/keys.ts';
import { localEndpoints } from '../../agent/endpoints.ts';
import { trackFailures } from '../../agent/failures.ts';
import { readPing } from '../../agent/ping.ts';
import { formatSubnetEnv } from '../../agent/attach/subnet-env.ts';
import type { ObservedLink } from '../../agent/plan/observed.ts';
import { readCsr } from '../../server/pki/csr.ts';
import { WarrenError } from '../../shared/errors.ts';
import { parseAddress } from '../../shared/net/address.ts';
import { parseCidr } from '../../shared/net/cidr.ts';
import { hostRecord, networkMap } from '../support/mesh-map.ts';

test('the machine’s name is made to fit, or refused with what to do', () => {
  assert.equal(nameOfMachine('Web_01.example.org'), 'web-01');
  assert.equal(nameOfMachine('a'.repeat(80)), 'a'.repeat(63));
  for (const wrong of ['', '---', 'localhost', '世界']) {
    assert.throws(
      () => nameOfMachine(wrong),
      (error) => error instanceof WarrenError && error.message.includes('--name'),
    );
  }
});

test('advertised subnets are read as tinc writes them', () => {
  assert.deepEqual(parseAdvertise('192.168.7.0/24#5'), { prefix: '192.168.7.0/24', weight: 5 });
  assert.deepEqual(parseAdvertise('192.168.7.0/24'), { prefix: '192.168.7.0/24', weight: 10 });
  for (const wrong of [
    '192.168.7.1/24',
    '0.0.0.0/0',
    '192.168.7.0/24#',
    '192.168.7.0/24#70000',
    '192.168.7.0/24#-1',
    'x',
  ]) {
    assert.throws(() => parseAdvertise(wrong), WarrenError, wrong);
  }
});

test('the server reads the request that the agent makes, and its key is the one that signed', async () => {
  const { spkiHash } = readCsr(await makeCsr(makeIdentityKey(), 'web-1'));
  assert.match(spkiHash, /^.{40,}$/);
});

test('WireGuard keys are clamped and read back the same', () => {
  for (let i = 0; i < 50; i += 1) {
    const made = makeWireguardKeys();
    const raw = Buffer.from(made.privateKey.reveal(), 'base64');
    assert.deepEqual([(raw[0] ?? 0) & 7, (raw[31] ?? 0) & 0xc0], [0, 0x40]);
    assert.equal(readWireguardKeys(`${made.privateKey.reveal()}\n`, 'x').publicKey, made.publicKey);
  }
});

const linkOf = (name: string, index: number, addresses: string[], more: Partial<ObservedLink> = {}): ObservedLink => ({
  name,
  index,
  kind: undefined,
  alias: undefined,
  mtu: 1500,
  isUp: true,
  isLoopback: false,
  master: undefined,
  mac: undefined,
  peerIndex: undefined,
  addresses,
  ...more,
});

test('endpoints are real addresses only, the one towards the server first', () => {
  const links = [
    linkOf('lo', 1, ['127.0.0.1/8'], { isLoopback: true }),
    linkOf('eth0', 2, ['192.0.2.1/24', '2001:db8::1/64'], { kind: 'veth' }),
    linkOf('eth1', 3, ['198.51.100.1/24']),
    linkOf('eth2', 4, ['203.0.113.1/24'], { isUp: false }),
    linkOf('docker0', 5, ['172.17.0.1/16'], { kind: 'bridge' }),
    linkOf('warren0', 6, ['10.86.0.1/32'], { kind: 'tun' }),
    linkOf('wg9', 7, ['10.9.9.9/24'], { kind: 'wireguard' }),
  ];
  const endpoints = localEndpoints(links, {
    own: new Set(['warren0']),
    pools: [parseCidr('10.86.0.0/16')],
    listenPort: 51820,
    preferred: parseAddress('198.51.100.1'),
  });
  assert.deepEqual(endpoints, ['198.51.100.1:51820', '192.0.2.1:51820', '[2001:db8::1]:51820']);
});

test('a failure keeps the time it began while it lasts', () => {
  const fault = { kind: 'route-set', subject: '10.0.0.0/8', why: 'first' };
  const first = trackFailures([], [fault, fault], 1000);
  const later = trackFailures(first, [{ ...fault, why: 'x'.repeat(1000) }], 5000);
  assert.equal(first.length, 1);
  assert.equal(later[0]?.since, first[0]?.since);
  assert.equal(later[0]?.why.length, 512);
  assert.deepEqual(trackFailures(later, [], 6000), []);
});

test('the summary of ping is read, with and without answers', () => {
  const told =
    '3 packets transmitted, 2 received, 33% packet loss, time 402ms\nrtt min/avg/max/mdev = 0.1/0.25/0.4/0.1 ms\n';
  assert.deepEqual(readPing(told), { sent: 3, received: 2, latencyMs: { min: 0.1, average: 0.25, max: 0.4 } });
  assert.equal(readPing('3 packets transmitted, 0 received, 100% packet loss').latencyMs, null);
});

test('subnet.env is what flannel writes', () => {
  const { hosts, mesh } = networkMap([hostRecord(7, { leases: ['10.210.7.0/24', 'fd00:1:0:7::/64'] })], {
    containerPools: [parseCidr('10.210.0.0/16'), parseCidr('fd00:1::/48')],
  });
  const [self] = hosts;
  assert.ok(self !== undefined);
  assert.equal(
    formatSubnetEnv(self, mesh, 1420),
    'FLANNEL_NETWORK=10.210.0.0/16\nFLANNEL_SUBNET=10.210.7.1/24\n' +
      'FLANNEL_IPV6_NETWORK=fd00:1::/48\nFLANNEL_IPV6_SUBNET=fd00:1:0:7::1/64\nFLANNEL_MTU=1420\nFLANNEL_IPMASQ=true\n',
  );
});
