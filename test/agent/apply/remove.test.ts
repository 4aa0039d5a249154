import assert from 'node:assert/strict';
import { test } from 'node:test';
import { removeAll } from '../../../agent/apply.ts';
import { AgentFixture, attachmentOf, fakeHost } from '../../support/agent-fixture.ts';
import { meshOf } from '../../support/mesh-map.ts';

const state = (host: ReturnType<typeof fakeHost>): unknown =>
  structuredClone({
    links: [...host.main.links.keys()],
    routes: host.main.routes,
    tables: [...host.nft.tables.keys()],
    sysctls: Object.fromEntries(host.sysctls),
    inside: [...(host.namespaces.get('/run/netns/c1')?.links.keys() ?? [])],
  });

async function attachedHost() {
  const host = fakeHost();
  host.addNamespace('/run/netns/c1');
  const before = state(host);
  const agent = new AgentFixture(host.system);
  agent.attachments = [attachmentOf(1)];
  const { result } = await agent.pass(meshOf(3));
  return { host, agent, before, previous: result.previousSysctls };
}

test('removing everything leaves the host as it was before', async () => {
  const { host, agent, before, previous } = await attachedHost();
  assert.deepEqual((await removeAll(host.system, agent.settings, previous)).notes, []);
  assert.deepEqual(state(host), before);
});

test('it works when half of it is gone already, and again', async () => {
  const { host, agent, before, previous } = await attachedHost();
  host.hand('ip link del dev warren0');
  host.hand('nft flush ruleset');
  await removeAll(host.system, agent.settings, previous);
  await removeAll(host.system, agent.settings, previous);
  assert.deepEqual(state(host), before);
});

test('forwarding stays on while another bridge may need it, and the note says so', async () => {
  const { host, agent, previous } = await attachedHost();
  host.main.addLink('docker0', 'bridge', { mtu: 1500 });
  const { notes } = await removeAll(host.system, agent.settings, previous);
  assert.equal(host.sysctls.get('net/ipv4/ip_forward'), '1');
  assert.match(notes.join('\n'), /ip_forward stays on, because docker0/);
});

test('links of our names that we did not make stay', async () => {
  const host = fakeHost();
  const agent = new AgentFixture(host.system);
  host.main.addLink('warren0', 'tun', { mtu: 1500 });
  host.main.addLink('warren-br', 'bridge', { mtu: 1500 });
  const { notes } = await removeAll(host.system, agent.settings, {});
  assert.equal(notes.length, 2);
  assert.ok(host.main.links.has('warren0') && host.main.links.has('warren-br'));
});

test('what cannot be removed is named, after everything else is gone', async () => {
  const { host, agent, previous } = await attachedHost();
  host.inject({ matches: /^link del dev warren-br/, stderr: 'RTNETLINK answers: Operation not permitted' });
  await assert.rejects(removeAll(host.system, agent.settings, previous), /Operation not permitted/);
  assert.ok(!host.main.links.has('warren0'));
  assert.equal(host.nft.tables.size, 0);
});
