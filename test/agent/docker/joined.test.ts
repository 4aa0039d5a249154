import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openChoices } from '../../../agent/docker/choices.ts';
import { describeJoined } from '../../../agent/docker/joined.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { network } from './support.ts';

const subnet = parseCidr('172.30.7.0/24');
const withSubnet = { IPAM: { Config: [{ Subnet: subnet }] } };
const labelled = { Labels: { 'warren.advertise': 'true' } };

test('a network joins by its label or by command, and is open to the mesh once its subnet is approved', () => {
  for (const [one, chosen] of [
    [network('app', { ...withSubnet, ...labelled }), []],
    [network('app', withSubnet), ['app']],
  ] as const) {
    const before = describeJoined([one], chosen, []);
    assert.deepEqual(before, { networks: [], wishes: [{ prefix: subnet, weight: 10 }], faults: [] });
    const bridgeName = `br-${one.Id.slice(0, 12)}`;
    assert.deepEqual(describeJoined([one], chosen, [subnet]).networks, [
      { name: 'app', bridgeName, prefixes: [subnet] },
    ]);
  }
});

test("nobody's network joins by itself, and Warren's own is no wish", () => {
  const all = [network('app', withSubnet), network('warren', { ...withSubnet, Labels: { 'warren.host': 'h' } })];
  assert.deepEqual(describeJoined(all, [], [subnet]), { networks: [], wishes: [], faults: [] });
});

test('a network that cannot join says why', () => {
  const options = { Options: { 'com.docker.network.bridge.name': 'a b' } };
  const faults = describeJoined(
    [
      network('vlan', { ...withSubnet, ...labelled, Driver: 'macvlan' }),
      network('bare', labelled),
      network('odd', { ...withSubnet, ...labelled, ...options }),
    ],
    ['lost'],
    [],
  ).faults;
  assert.deepEqual(
    faults.map(({ subject }) => subject),
    ['vlan', 'bare', 'odd', 'lost'],
  );
  assert.match(faults[0]?.why ?? '', /only bridge networks/);
});

test('what joined by command is in the state before it counts, and is read from there', async () => {
  let saved: string | undefined;
  const open = () => openChoices(saved, async (json) => void (saved = json));
  assert.equal(await open().add('app'), true);
  assert.deepEqual(open().list(), ['app']);
  assert.equal(await open().add('app'), false);
  assert.equal(await open().remove('app'), true);
  assert.deepEqual(open().list(), []);
  const failing = openChoices(saved, () => Promise.reject(new Error('the disk is full')));
  await assert.rejects(failing.add('app'));
  assert.deepEqual(failing.list(), []);
  assert.throws(() => openChoices('{', async () => undefined), /advertise them again/);
});
