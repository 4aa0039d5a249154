import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentFixture, attachmentOf, fakeHost } from '../../support/agent-fixture.ts';
import { meshOf, publicKeyOf } from '../../support/mesh-map.ts';

async function runningHost(hosts = 4) {
  const host = fakeHost();
  const agent = new AgentFixture(host.system);
  for (const n of [1, 2]) host.addNamespace(`/run/netns/c${n}`);
  agent.attachments = [attachmentOf(1), attachmentOf(2)];
  await agent.pass(meshOf(hosts));
  return { host, agent };
}

const breakages = [
  'nft flush ruleset',
  'ip route del 10.210.2.0/24 dev warren0',
  'ip route replace 10.210.2.0/24 dev warren0',
  `wg set warren0 peer ${publicKeyOf(2)} remove`,
  `wg set warren0 peer ${publicKeyOf(2)} allowed-ips 10.9.9.0/24`,
  `wg set warren0 peer ${publicKeyOf(77)} allowed-ips 10.210.3.0/24`,
  `wg set warren0 peer ${publicKeyOf(2)} preshared-key /tmp/psk`,
  'wg set warren0 listen-port 4',
  'ip addr del 10.86.0.1/32 dev warren0',
  'ip addr add 10.9.9.9/32 dev warren0',
  'ip link set dev warren0 down',
  'ip link set dev warren0 mtu 9000',
  'ip link del dev warren0',
  'ip link set dev warren-br down',
  'ip addr del 10.210.1.1/24 dev warren-br',
  'ip link del dev warren-br',
  'ip link del dev wvc1',
  'ip link set dev wvc2 down',
];

for (const breakage of breakages) {
  test(`one pass repairs '${breakage.replace(/[A-Za-z0-9+/]{43}=/, 'KEY')}', and nothing is left to do`, async () => {
    const { host, agent } = await runningHost();
    host.hand(breakage);
    const { steps, result } = await agent.pass(meshOf(4));
    assert.ok(steps.length > 0);
    assert.deepEqual(result.failures, []);
    assert.deepEqual((await agent.pass(meshOf(4))).steps, []);
  });
}

test('a rule added to our table by hand is found and removed', async () => {
  const { host, agent } = await runningHost();
  host.hand('nft add rule inet warren transit accept');
  assert.deepEqual(
    (await agent.pass(meshOf(4))).steps.map((step) => step.why),
    ['somebody altered the table'],
  );
  assert.deepEqual((await agent.pass(meshOf(4))).steps, []);
});

test('the inside of a container is repaired', async () => {
  const { host, agent } = await runningHost();
  const inside = host.namespaces.get('/run/netns/c1');
  inside?.change('addr del 10.210.1.2/24 dev eth0'.split(' '), () => undefined);
  inside?.change('link set dev eth0 down'.split(' '), () => undefined);
  const { steps } = await agent.pass(meshOf(4));
  assert.deepEqual(
    steps.map((step) => step.kind),
    ['attachment-set'],
  );
  assert.deepEqual((await agent.pass(meshOf(4))).steps, []);
});

test('a container that comes back in a new namespace is attached again', async () => {
  const { host, agent } = await runningHost();
  host.removeNamespace('/run/netns/c1');
  assert.deepEqual((await agent.pass(meshOf(4))).steps, []);
  host.addNamespace('/run/netns/c1');
  assert.equal((await agent.pass(meshOf(4))).steps[0]?.kind, 'attachment-create');
  assert.deepEqual((await agent.pass(meshOf(4))).steps, []);
});

test('what others made is left alone', async () => {
  const { host, agent } = await runningHost();
  host.main.addLink('docker0', 'bridge', { mtu: 1500 });
  host.hand('ip link set dev docker0 up');
  host.hand('ip addr add 172.17.0.1/16 dev docker0');
  host.hand('ip route add 10.77.0.0/16 via 192.0.2.254 dev eth0 proto static');
  const routes = structuredClone(host.main.routes);
  assert.deepEqual((await agent.pass(meshOf(4))).steps, []);
  assert.deepEqual(host.main.routes, routes);
});

test("a foreign route to a peer's prefix is not replaced", async () => {
  const host = fakeHost();
  host.hand('ip route add 10.210.2.0/24 via 192.0.2.254 dev eth0 proto static');
  const { refusals, result } = await new AgentFixture(host.system).pass(meshOf(3));
  assert.deepEqual(result.failures, []);
  assert.match(refusals[0]?.why ?? '', /routed through eth0/);
  assert.equal(host.main.routes.find((route) => route.prefix === '10.210.2.0/24')?.device, 'eth0');
});

test('an agent that starts anew changes nothing', async () => {
  const { host } = await runningHost();
  const next = new AgentFixture(host.system);
  next.attachments = [attachmentOf(1), attachmentOf(2)];
  assert.deepEqual((await next.pass(meshOf(4))).steps, []);
});
