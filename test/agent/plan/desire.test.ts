import assert from 'node:assert/strict';
import { test } from 'node:test';
import { observe } from '../../../agent/observe.ts';
import { desire } from '../../../agent/plan/desire.ts';
import type { NetworkMap } from '../../../shared/network-map.ts';
import { AgentFixture, fakeHost, settingsOf } from '../../support/agent-fixture.ts';
import { type HostOptions, hostRecord, meshOf, networkMap, publicKeyOf } from '../../support/mesh-map.ts';
import { noLocalFacts } from '../../../agent/plan/local.ts';

type Changes = Readonly<Record<number, HostOptions>>;

async function desireFor(map: NetworkMap, addresses?: string[], serverAddress?: string) {
  const host = fakeHost(addresses === undefined ? {} : { addresses });
  const settings = settingsOf(1, serverAddress === undefined ? {} : { serverAddress: serverAddress as never });
  return desire(
    { map: map, settings: settings, attachments: [], local: noLocalFacts },
    await observe(host.system, settings, [], 0),
  );
}

async function allowed(changes: Changes, hosts = 3) {
  const { desired, refusals } = await desireFor(meshOf(hosts, changes));
  const peers = Object.fromEntries([...desired.peers.values()].map((peer) => [peer.name, peer.allowedIps]));
  return { peers: peers as Record<string, readonly string[] | undefined>, refusals, desired };
}

test('each peer gets its addresses, leases and the subnets it owns', async () => {
  const subnet = { prefix: '192.168.7.0/24', weight: 5 };
  const { peers, refusals } = await allowed({ 2: { subnets: [subnet] }, 3: { subnets: [{ ...subnet, weight: 4 }] } });
  assert.deepEqual(refusals, []);
  assert.deepEqual(peers['host-2'], ['10.210.2.0/24', '10.86.0.2/32', 'fd00:86:0:12::/64', 'fd00:86::2/128']);
  assert.ok(peers['host-3']?.includes('192.168.7.0/24'));
});

test('a subnet moves to the next owner when its host is gone', async () => {
  const subnets = [{ prefix: '192.168.7.0/24', weight: 5 }];
  const { peers } = await allowed({ 2: { subnets, isGone: true }, 3: { subnets } });
  assert.ok(peers['host-3']?.includes('192.168.7.0/24'));
  assert.ok(!peers['host-2']?.includes('192.168.7.0/24'));
});

test('one route per overlay pool, and one per lease and subnet of others', async () => {
  const { desired } = await allowed({ 1: { subnets: [{ prefix: '10.99.1.0/24', weight: 1 }] } }, 2);
  const routes = [...desired.routes.keys()].sort();
  assert.deepEqual(routes, ['10.210.2.0/24', '10.86.0.0/16', 'fd00:86:0:12::/64', 'fd00:86::/64']);
  assert.equal(desired.routes.get('10.210.2.0/24' as never)?.source, '10.86.0.1');
});

test('two hosts with one key are both refused, and the third stays', async () => {
  const { peers, refusals } = await allowed({ 2: { publicKey: publicKeyOf(9) }, 3: { publicKey: publicKeyOf(9) } }, 4);
  assert.deepEqual(Object.keys(peers), ['host-4']);
  assert.deepEqual(
    refusals.map(({ kind, subject }) => `${kind} ${subject}`),
    ['peer-refused host-2', 'peer-refused host-3'],
  );
});

test("a peer with this host's own key is refused", async () => {
  const { peers, refusals } = await allowed({ 2: { publicKey: publicKeyOf(1) } });
  assert.deepEqual(Object.keys(peers), ['host-3']);
  assert.match(refusals[0]?.why ?? '', /own key/);
});

test("a claim to this host's lease or address is refused, even by one bit", async () => {
  const { peers, refusals } = await allowed({ 2: { leases: ['10.210.1.128/25'] }, 3: { addresses: ['10.86.0.1'] } });
  assert.deepEqual(peers['host-2'], ['10.86.0.2/32', 'fd00:86::2/128']);
  assert.deepEqual(peers['host-3'], ['10.210.3.0/24', 'fd00:86:0:13::/64']);
  assert.deepEqual(refusals.map((refusal) => refusal.subject).sort(), ['10.210.1.128/25', '10.86.0.1/32']);
});

test('of two overlapping leases neither is believed when both are new', async () => {
  const { peers, refusals } = await allowed({ 3: { leases: ['10.210.2.0/25'] } }, 4);
  assert.ok(!peers['host-2']?.includes('10.210.2.0/24'));
  assert.ok(!peers['host-3']?.includes('10.210.2.0/25'));
  assert.ok(peers['host-4']?.includes('10.210.4.0/24'));
  assert.equal(refusals.length, 2);
});

test('a lease that the kernel carries already stands against a new claim to it', async () => {
  const host = fakeHost();
  const agent = new AgentFixture(host.system);
  await agent.pass(meshOf(3));
  const { desired, refusals } = await agent.pass(meshOf(3, { 3: { leases: ['10.210.0.0/16'] } }));
  assert.ok(desired.peers.get(publicKeyOf(2) as never)?.allowedIps.includes('10.210.2.0/24' as never));
  assert.deepEqual(
    refusals.map((refusal) => refusal.subject),
    ['10.210.0.0/16'],
  );
});

test('an advertised subnet inside the pools or over another host is refused', async () => {
  const subnets = ['10.86.0.0/24', '10.210.3.0/24', '10.211.0.0/16'].map((prefix) => ({ prefix, weight: 1 }));
  const { peers, refusals } = await allowed({ 2: { subnets } });
  assert.deepEqual(refusals.map((refusal) => refusal.subject).sort(), [
    '10.210.3.0/24',
    '10.211.0.0/16',
    '10.86.0.0/24',
  ]);
  assert.ok(peers['host-3']?.includes('10.210.3.0/24'));
});

test('advertised subnets of two hosts may nest', async () => {
  const wide = { prefix: '192.168.0.0/16', weight: 1 };
  const { peers, refusals } = await allowed({
    2: { subnets: [wide] },
    3: { subnets: [{ prefix: '192.168.7.0/24', weight: 1 }] },
  });
  assert.deepEqual(refusals, []);
  assert.ok(peers['host-2']?.includes('192.168.0.0/16'));
  assert.ok(peers['host-3']?.includes('192.168.7.0/24'));
});

test('prefixes of nobody are refused: the whole Internet, loopback, link-local', async () => {
  const subnets = ['0.0.0.0/0', '::/0', '0.0.0.0/1', '127.0.0.0/16', '169.254.0.0/24', 'fe80::/64'];
  const { peers, refusals } = await allowed({ 2: { subnets: subnets.map((prefix) => ({ prefix, weight: 1 })) } });
  assert.equal(refusals.length, subnets.length);
  assert.equal(peers['host-2']?.length, 4);
});

test("a subnet over this host's own network is refused, and not mentioned when this host advertises it too", async () => {
  const subnets = [{ prefix: '192.0.2.0/25', weight: 1 }];
  const { refusals } = await allowed({ 2: { subnets } });
  assert.match(refusals[0]?.why ?? '', /overlaps 192\.0\.2\.1\/24 on eth0/);
  const both = await allowed({ 1: { subnets: [{ prefix: '192.0.2.0/25', weight: 9 }] }, 2: { subnets } });
  assert.deepEqual(both.refusals, []);
  assert.ok(!both.peers['host-2']?.includes('192.0.2.0/25'));
});

test("a lease over this host's own network is refused on the side it concerns", async () => {
  const { desired, refusals } = await desireFor(meshOf(3), ['10.210.2.7/24', '10.210.1.9/24']);
  assert.deepEqual(refusals.map((refusal) => refusal.subject).sort(), ['10.210.1.0/24', '10.210.2.0/24']);
  assert.deepEqual(desired.bridge?.addresses, ['fd00:86:0:11::1/64']);
});

test('a prefix that swallows the server or the only way to a peer is refused', async () => {
  const changes: Changes = {
    2: { subnets: ['198.51.100.0/24', '203.0.113.0/24'].map((prefix) => ({ prefix, weight: 1 })) },
    3: { endpoints: ['198.51.100.7:51820'] },
  };
  const { refusals, desired } = await desireFor(meshOf(3, changes), undefined, '203.0.113.9');
  assert.deepEqual(refusals.map((refusal) => refusal.subject).sort(), ['198.51.100.0/24', '203.0.113.0/24']);
  assert.deepEqual(desired.peers.get(publicKeyOf(3) as never)?.candidates, ['198.51.100.7:51820']);
});

test('a candidate inside the mesh is not tried while there is another one, and costs nobody a prefix', async () => {
  const endpoints = ['10.210.2.9:51820', '192.0.2.3:51820'];
  const { desired, refusals } = await allowed({ 3: { endpoints } });
  assert.deepEqual(refusals, []);
  assert.deepEqual(desired.peers.get(publicKeyOf(3) as never)?.candidates, ['192.0.2.3:51820']);
});

test('candidates in one of our own networks come first', async () => {
  const endpoints = ['198.51.100.1:51820', '192.0.2.9:51820'];
  const { desired } = await allowed({ 3: { endpoints } });
  assert.deepEqual(desired.peers.get(publicKeyOf(3) as never)?.candidates, ['192.0.2.9:51820', '198.51.100.1:51820']);
});

test('the MTU follows the underlay, down to what IPv6 needs', async () => {
  const host = fakeHost();
  const mtuWith = async (mtu: number): Promise<number> => {
    host.hand(`ip link set dev eth0 mtu ${mtu}`);
    return desire(
      { map: meshOf(2), settings: settingsOf(1), attachments: [], local: noLocalFacts },
      await observe(host.system, settingsOf(1), [], 0),
    ).desired.mtu;
  };
  assert.deepEqual([await mtuWith(9000), await mtuWith(1450), await mtuWith(1300)], [1420, 1370, 1280]);
});

test('without IPv6 only IPv4 is wanted', async () => {
  const host = fakeHost();
  host.sysctls.set('net/ipv6/conf/all/disable_ipv6', '1');
  const { desired } = desire(
    { map: meshOf(2), settings: settingsOf(1), attachments: [], local: noLocalFacts },
    await observe(host.system, settingsOf(1), [], 0),
  );
  assert.deepEqual(
    [...desired.routes.keys()].filter((prefix) => prefix.includes(':')),
    [],
  );
  assert.deepEqual(desired.addresses, ['10.86.0.1/32']);
  assert.deepEqual(desired.bridge?.addresses, ['10.210.1.1/24']);
});

test('a host that is not in its map wants no peers, no routes and no addresses', async () => {
  const { desired, refusals } = await desireFor(networkMap([hostRecord(2), hostRecord(3)]));
  assert.deepEqual([desired.peers.size, desired.routes.size, desired.addresses.length], [0, 0, 0]);
  assert.deepEqual(refusals, []);
});
