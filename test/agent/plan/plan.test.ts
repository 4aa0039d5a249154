import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PeerSet, Step } from '../../../agent/plan/step.ts';
import { AgentFixture, attachmentOf, fakeHost } from '../../support/agent-fixture.ts';
import { type HostOptions, hostRecord, meshOf, networkMap, publicKeyOf } from '../../support/mesh-map.ts';

const kinds = (steps: readonly Step[]): string[] => steps.map((step) => step.kind);
const peerSets = (steps: readonly Step[]): (PeerSet & { why: string })[] =>
  steps.filter((step): step is PeerSet & { why: string } => step.kind === 'peer-set');

async function settled(count: number, changes: Readonly<Record<number, HostOptions>> = {}) {
  const host = fakeHost();
  const agent = new AgentFixture(host.system);
  await agent.pass(meshOf(count, changes));
  return { host, agent };
}

test('planning again after apply gives no steps', async () => {
  const { agent } = await settled(5);
  assert.deepEqual((await agent.pass(meshOf(5))).steps, []);
});

test('what a step needs comes before it, and what is added before what is removed', async () => {
  const host = fakeHost();
  const agent = new AgentFixture(host.system);
  const { steps } = await agent.pass(meshOf(2));
  const order = kinds(steps);
  const first = [
    'table-set',
    'sysctl-set',
    'wireguard-create',
    'wireguard-set',
    'address-add',
    'peer-set',
    'route-set',
  ];
  const places = first.map((kind) => order.indexOf(kind));
  assert.deepEqual(
    places,
    [...places].sort((a, b) => a - b),
  );
  const replaced = kinds((await agent.pass(networkMap([hostRecord(1), hostRecord(3)]))).steps);
  assert.deepEqual(replaced, [
    'elements-set',
    'peer-set',
    'route-set',
    'route-set',
    'route-remove',
    'route-remove',
    'peer-remove',
  ]);
});

test('a prefix that moves is given to its new peer, and the old one is not touched', async () => {
  const subnets = [{ prefix: '192.168.7.0/24', weight: 5 }];
  const { agent, host } = await settled(4, { 2: { subnets }, 3: { subnets: [{ ...subnets[0], weight: 9 } as never] } });
  const moved = meshOf(4, { 2: { subnets, isGone: true }, 3: { subnets: [{ ...subnets[0], weight: 9 } as never] } });
  const { steps } = await agent.pass(moved);
  assert.deepEqual(kinds(steps), ['peer-set']);
  assert.equal(peerSets(steps)[0]?.publicKey, publicKeyOf(3));
  assert.deepEqual((await agent.pass(moved)).steps, []);
  const peers = host.wireguard.get('warren0')?.peers;
  assert.ok(peers?.get(publicKeyOf(3))?.allowedIps.includes('192.168.7.0/24'));
  assert.ok(!peers?.get(publicKeyOf(2))?.allowedIps.includes('192.168.7.0/24'));
});

test('two peers that swap prefixes are both set, and end with what they should have', async () => {
  const one = (prefix: string): HostOptions => ({ subnets: [{ prefix, weight: 1 }] });
  const { agent } = await settled(3, { 2: one('192.168.1.0/24'), 3: one('192.168.2.0/24') });
  const swapped = meshOf(3, { 2: one('192.168.2.0/24'), 3: one('192.168.1.0/24') });
  await agent.pass(swapped);
  assert.deepEqual((await agent.pass(swapped)).steps, []);
});

test('a host with a new key keeps its prefixes: the new peer comes before the old one goes', async () => {
  const { agent } = await settled(3);
  const rotated = meshOf(3, { 2: { publicKey: publicKeyOf(99) } });
  const { steps } = await agent.pass(rotated);
  assert.deepEqual(kinds(steps), ['peer-set', 'peer-remove']);
  assert.deepEqual((await agent.pass(rotated)).steps, []);
});

test('a change of one host among 200 makes one peer step', async () => {
  const { agent } = await settled(200);
  const { steps } = await agent.pass(meshOf(200, { 77: { subnets: [{ prefix: '192.168.9.0/24', weight: 1 }] } }));
  assert.deepEqual(kinds(steps).sort(), ['elements-set', 'peer-set', 'route-set']);
});

test('whatever map follows whatever map, one apply reaches it', async () => {
  const options = fc.record({
    isThere: fc.boolean(),
    isGone: fc.boolean(),
    key: fc.constantFrom(0, 100, 200),
    lease: fc.constantFrom('own', 'none', '10.210.2.0/24', '10.210.3.0/25'),
    subnets: fc.uniqueArray(fc.constantFrom('192.168.1.0/24', '192.168.1.128/25', '192.0.2.0/28', '10.86.0.0/24')),
  });
  const maps = fc.array(options, { minLength: 4, maxLength: 4 }).map((hosts) =>
    networkMap([
      hostRecord(1),
      ...hosts.flatMap(({ isThere, isGone, key, lease, subnets }, i) =>
        isThere
          ? [
              hostRecord(i + 2, {
                isGone,
                publicKey: publicKeyOf(i + 2 + key),
                subnets: subnets.map((prefix) => ({ prefix, weight: i })),
                ...(lease === 'own' ? {} : { leases: lease === 'none' ? [] : [lease] }),
              }),
            ]
          : [],
      ),
    ]),
  );
  const histories = fc.array(maps, { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(histories, async (history) => {
      const agent = new AgentFixture(fakeHost().system);
      for (const map of history) {
        const { result } = await agent.pass(map);
        assert.deepEqual(result.failures, []);
        assert.deepEqual((await agent.pass(map)).steps, []);
      }
    }),
    { numRuns: 60 },
  );
});

test('a link of our name that is not ours is refused and not touched', async () => {
  const host = fakeHost();
  host.main.addLink('warren0', 'dummy', { mtu: 1500 });
  host.main.addLink('warren-br', 'bridge', { mtu: 1500 });
  host.hand('ip link set dev warren-br up');
  host.hand('ip addr add 10.9.9.1/24 dev warren-br');
  const { refusals, steps } = await new AgentFixture(host.system).pass(meshOf(2));
  assert.deepEqual(
    refusals.map(({ kind, subject }) => `${kind} ${subject}`),
    ['interface-refused warren0', 'interface-refused warren-br'],
  );
  assert.match(refusals[0]?.why ?? '', /WARREN_INTERFACE/);
  assert.deepEqual([...new Set(kinds(steps))], ['table-set', 'sysctl-set']);
});

test('a WireGuard interface with the key of somebody else is refused, one without a key is taken', async () => {
  const host = fakeHost();
  const agent = new AgentFixture(host.system);
  host.main.addLink('warren0', 'wireguard', { mtu: 1420 });
  await host.system.run({ argv: ['wg', '--version'] });
  const { FakeWireguard } = await import('../../support/fake-host-wg.ts');
  const device = new FakeWireguard();
  host.wireguard.set('warren0', device);
  device.publicKey = publicKeyOf(50);
  assert.equal((await agent.pass(meshOf(2))).refusals[0]?.subject, 'warren0');
  assert.equal(device.publicKey, publicKeyOf(50));
  device.publicKey = undefined;
  assert.deepEqual((await agent.pass(meshOf(2))).refusals, []);
  assert.equal(device.publicKey, publicKeyOf(1));
});

test('an attachment that is right is not touched, and one whose namespace is missing waits', async () => {
  const host = fakeHost();
  const agent = new AgentFixture(host.system);
  host.addNamespace('/run/netns/c1');
  agent.attachments = [attachmentOf(1), attachmentOf(2)];
  const { steps, result } = await agent.pass(meshOf(2));
  assert.deepEqual(result.failures, []);
  assert.equal(kinds(steps).filter((kind) => kind === 'attachment-create').length, 1);
  assert.deepEqual((await agent.pass(meshOf(2))).steps, []);
});
