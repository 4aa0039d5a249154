import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePublicKey } from '../../../shared/wireguard.ts';
import { AgentFixture, fakeHost } from '../../support/agent-fixture.ts';
import { meshOf, publicKeyOf } from '../../support/mesh-map.ts';

const key = parsePublicKey(publicKeyOf(2));
const map = meshOf(3);

async function settled() {
  const host = fakeHost();
  const agent = new AgentFixture(host.system);
  await agent.pass(map);
  const mtus = (): Record<string, number> =>
    Object.fromEntries(host.main.routes.flatMap(({ prefix, mtu }) => (mtu === undefined ? [] : [[prefix, mtu]])));
  return { host, agent, mtus };
}

test('routes to a peer whom less reaches have its MTU, those to others none, and planning again gives no steps', async () => {
  const { agent, mtus } = await settled();
  agent.innerMtus = new Map([[key, 1328]]);
  const { steps, result } = await agent.pass(map);
  assert.deepEqual(result.failures, []);
  assert.deepEqual([...new Set(steps.map(({ kind }) => kind))], ['route-set']);
  assert.deepEqual(mtus(), {
    '10.210.2.0/24': 1328,
    '10.86.0.2/32': 1328,
    'fd00:86:0:12::/64': 1328,
    'fd00:86::2/128': 1328,
  });
  assert.deepEqual((await agent.pass(map)).steps, []);
});

test('IPv6 gets 1280 at least', async () => {
  const { agent, mtus } = await settled();
  agent.innerMtus = new Map([[key, 1216]]);
  await agent.pass(map);
  assert.deepEqual([mtus()['10.210.2.0/24'], mtus()['fd00:86:0:12::/64']], [1216, 1280]);
  assert.deepEqual((await agent.pass(map)).steps, []);
});

test('what fits again gives its routes back', async () => {
  const { agent, host, mtus } = await settled();
  const before = host.main.routes.length;
  agent.innerMtus = new Map([[key, 1328]]);
  await agent.pass(map);
  agent.innerMtus = new Map([[key, 1420]]);
  const { steps } = await agent.pass(map);
  assert.deepEqual(steps.map(({ kind }) => kind).sort(), ['route-remove', 'route-remove', 'route-set', 'route-set']);
  assert.deepEqual([mtus(), host.main.routes.length], [{}, before]);
});

test('an agent that starts leaves the MTU of routes alone until it knows better', async () => {
  const { agent, host, mtus } = await settled();
  agent.innerMtus = new Map([[key, 1328]]);
  await agent.pass(map);
  const before = mtus();
  assert.deepEqual((await new AgentFixture(host.system).pass(map)).steps, []);
  assert.deepEqual(mtus(), before);
});

test('an MTU that somebody sets on a route is not left there', async () => {
  const { agent, host, mtus } = await settled();
  agent.innerMtus = new Map([[key, 1420]]);
  host.hand('ip route replace 10.210.2.0/24 dev warren0 proto 86 src 10.86.0.1 mtu 900');
  assert.deepEqual(mtus(), { '10.210.2.0/24': 900 });
  await agent.pass(map);
  assert.deepEqual(mtus(), {});
});
