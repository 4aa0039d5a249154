import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttachmentPlace } from '../../../agent/plan/settings.ts';
import { vethName } from '../../../agent/plan/settings.ts';
import { AgentFixture, attachmentOf, fakeHost } from '../../support/agent-fixture.ts';
import { meshOf } from '../../support/mesh-map.ts';

type Place = AttachmentPlace;
type Host = ReturnType<typeof fakeHost>;

/** One attachment for each place, in namespaces c1, c2, … */
function attached(host: Host, ...places: Place[]): AgentFixture {
  const agent = new AgentFixture(host.system);
  agent.attachments = places.map((place, i) => {
    host.addNamespace(`/run/netns/c${i + 1}`);
    return { ...attachmentOf(i + 1), place, mac: `02:00:00:00:01:0${i}` };
  });
  return agent;
}

async function settle(agent: AgentFixture): Promise<string[]> {
  const { steps, result } = await agent.pass(meshOf(2));
  assert.deepEqual(
    result.failures.map(({ error }) => error.message),
    [],
  );
  assert.deepEqual((await agent.pass(meshOf(2))).steps, [], 'planning again gives nothing');
  return steps.map(({ kind }) => kind);
}

const portOf = (host: Host, id: string) => [...(host.main.links.get(vethName(id))?.vlans.keys() ?? [])];

test('a bridge that is made for a VLAN keeps VLANs apart, and the port is in that one before it is up', async () => {
  const host = fakeHost();
  const agent = attached(host, { kind: 'bridge', bridge: 'br-a', vlan: 10 }, { kind: 'bridge', bridge: 'br-a' });
  await settle(agent);
  const [first, second] = agent.attachments;
  assert.equal(host.main.links.get('br-a')?.isVlanFiltering, true);
  assert.deepEqual(portOf(host, first?.id ?? ''), [10]);
  assert.deepEqual(portOf(host, second?.id ?? ''), [1]);
  const all = host.commands.join('\n');
  assert.ok(all.indexOf('vid 10 pvid') < all.indexOf(`link set dev ${vethName(first?.id ?? '')} up`));
});

test('a bridge that stopped keeping VLANs apart, and a port that got into another one, are put right', async () => {
  const host = fakeHost();
  const agent = attached(host, { kind: 'bridge', bridge: 'br-a', vlan: 10 });
  await settle(agent);
  const port = vethName(agent.attachments[0]?.id ?? '');
  host.hand('ip link set dev br-a type bridge vlan_filtering 0');
  host.hand(`bridge vlan add dev ${port} vid 20 pvid untagged`);
  assert.deepEqual(await settle(agent), ['bridge-vlans', 'port-vlan']);
  assert.deepEqual([...(host.main.links.get(port)?.vlans.keys() ?? [])], [10]);
});

test("somebody else's bridge is not told to keep VLANs apart: it is refused, with the command", async () => {
  const host = fakeHost();
  host.hand('ip link add dev lanbridge type bridge');
  const agent = attached(host, { kind: 'bridge', bridge: 'lanbridge', vlan: 10 });
  const { refusals } = await agent.pass(meshOf(2));
  assert.match(refusals.map(({ why }) => why).join(), /ip link set lanbridge type bridge vlan_filtering 1/);
  assert.equal(host.main.links.get('lanbridge')?.isVlanFiltering, false);
  host.hand('ip link set dev lanbridge type bridge vlan_filtering 1');
  assert.deepEqual(await settle(agent), ['attachment-create']);
});

test('a card has one link for a VLAN, as long as something is attached by it', async () => {
  const host = fakeHost();
  const place: Place = { kind: 'card', card: 'eth0', mode: 'macvlan', vlan: 7 };
  const agent = attached(host, place, place);
  assert.deepEqual(
    (await settle(agent)).filter((kind) => kind === 'vlan-create'),
    ['vlan-create'],
  );
  assert.deepEqual([host.main.links.get('eth0.7')?.vlanId, host.main.links.get('eth0.7')?.parent], [7, 'eth0']);
  const [first, second] = agent.attachments;
  agent.attachments = [{ ...attachmentOf(1), ...first, isLeaving: true }, ...(second === undefined ? [] : [second])];
  await settle(agent);
  assert.ok(host.main.links.has('eth0.7'));
  agent.attachments = [];
  assert.deepEqual(await settle(agent), ['link-remove']);
  assert.equal(host.main.links.has('eth0.7'), false);
});

test('a link of that name that is no VLAN of the card, or would be too long, is refused; a foreign one is used and stays', async () => {
  const host = fakeHost();
  host.main.addLink('a-long-name0', undefined, { mtu: 1500 });
  host.hand('ip link add dev eth0.8 type bridge');
  host.hand('ip link add link eth0 name eth0.9 type vlan id 9');
  const on = (card: string, vlan: number): Place => ({ kind: 'card', card, mode: 'macvlan', vlan });
  const agent = attached(host, on('eth0', 8), on('a-long-name0', 4000), on('eth0', 9));
  const { refusals } = await agent.pass(meshOf(2));
  const whys = refusals.map(({ why }) => why).join('\n');
  assert.match(whys, /eth0\.8 is not the link of VLAN 8/);
  assert.match(whys, /a-long-name0\.4000 is too long/);
  assert.ok(host.namespaces.get('/run/netns/c3')?.links.has('eth0'));
  agent.attachments = [];
  await agent.pass(meshOf(2));
  assert.ok(host.main.links.has('eth0.9'));
});

test('a link inside may be called as a card of the host is; one left half made is taken away', async () => {
  const host = fakeHost();
  const places: Place[] = [{ kind: 'card', card: 'eth0', mode: 'macvlan' }, { kind: 'dummy' }];
  const agent = attached(host, ...places);
  const [first] = agent.attachments;
  const inside = host.namespaces.get('/run/netns/c1');
  inside?.addLink(`wc${first?.id}`, 'macvlan', { mtu: 1500 });
  await settle(agent);
  assert.deepEqual([...(inside?.links.keys() ?? [])], ['lo', 'eth0']);
  assert.equal(inside?.links.get('eth0')?.mac, first?.mac);
  assert.deepEqual([...(host.namespaces.get('/run/netns/c2')?.links.keys() ?? [])], ['lo', 'eth0']);
});

test('a link inside that cannot be renamed or finished leaves nothing, and is tried again', async () => {
  for (const matches of [/^link set dev wc\S+ name /, /^addr add .* dev eth0/]) {
    const host = fakeHost();
    const agent = attached(host, { kind: 'card', card: 'eth0', mode: 'macvlan' });
    host.inject({ matches, stderr: 'RTNETLINK answers: Operation not permitted' });
    const { result } = await agent.pass(meshOf(2));
    assert.equal(result.failures.length, 1);
    assert.deepEqual([...(host.namespaces.get('/run/netns/c1')?.links.keys() ?? [])], ['lo']);
    assert.deepEqual(await settle(agent), ['card-create']);
  }
});

test('a dummy is made inside, and taken away when it is detached', async () => {
  const host = fakeHost();
  const agent = attached(host, { kind: 'dummy' });
  assert.ok((await settle(agent)).includes('dummy-create'));
  agent.attachments = agent.attachments.map((one) => ({ ...one, isLeaving: true }));
  assert.deepEqual(await settle(agent), ['card-remove']);
  assert.equal(host.namespaces.get('/run/netns/c1')?.links.has('eth0'), false);
});

test('a spare gateway is used where no other interface has a default route, and an address that comes late is told of', async () => {
  const host = fakeHost();
  const agent = attached(host, { kind: 'bridge', bridge: 'br-a' });
  agent.attachments = agent.attachments.map((one) => ({ ...one, addresses: [], gateways: [] }));
  await settle(agent);
  const [one] = agent.attachments;
  assert.ok(one);
  const spareGateways = attachmentOf(1).gateways;
  agent.attachments = [{ ...one, addresses: attachmentOf(1).addresses, spareGateways }];
  const before = host.commands.length;
  await settle(agent);
  const text = host.commands.slice(before).join('\n');
  assert.match(text, /link set dev eth0 address /);
  assert.match(text, /route replace default via /);
});
