import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { createFeed } from '../../../server/feed/feed.ts';
import { readMap } from '../../../server/feed/frames.ts';
import { pruneTombstones } from '../../../server/store/changes.ts';
import { deleteHost, recordWorkloads, updateHost } from '../../../server/store/hosts.ts';
import type { StoredHost } from '../../../server/store/hosts.ts';
import { insertSubnet } from '../../../server/store/subnets.ts';
import { addHost, useStore } from '../store/support.ts';
import { workload } from '../workloads/support.ts';
import { testAgent, until } from './support.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

async function useFeed(t: TestContext, options: { windowMs?: number; heartbeatMs?: number; hosts?: number } = {}) {
  const used = await useStore(t, { containerPool: parseCidr('10.128.0.0/9') });
  const { store, clock } = used;
  const hosts: StoredHost[] = await store.transact('server', async (tx) => {
    const made: StoredHost[] = [];
    for (let n = 0; n < (options.hosts ?? 3); n += 1) made.push(await addHost(tx, n));
    return made;
  });
  const feed = createFeed({ store, clock, log: quiet, windowMs: 0, ...options });
  used.ending(() => feed.drain());
  const [a, b] = hosts;
  assert.ok(a !== undefined && b !== undefined);
  return { ...used, feed, hosts, a, b };
}

const touch = (store: Awaited<ReturnType<typeof useFeed>>['store'], host: StoredHost) =>
  store.transact('server', async (tx) => tx.touchHost(host.id));

test('a new stream is told its standing, then the full map', async (t) => {
  const { store, feed, a } = await useFeed(t);
  const agent = testAgent();
  feed.attach({ hostId: a.id, sink: agent.sink });
  await until(() => agent.map !== undefined, 'a map');
  assert.deepEqual(agent.kinds(), ['standing', 'map']);
  assert.deepEqual(agent.map, await readMap(store));
  assert.deepEqual(agent.frames[0], {
    kind: 'standing',
    standing: { hostId: a.id, state: 'active', isRotationDue: false, reportSeconds: 60, reflectorPort: null },
  });
});

test('an agent at the newest revision is told so, one that missed something gets a delta', async (t) => {
  const { store, feed, a, b } = await useFeed(t);
  const saved = await readMap(store);
  const current = testAgent(saved);
  feed.attach({ hostId: a.id, cursor: current.cursor(), sink: current.sink });
  await until(() => current.frames.length === 2, 'two frames');
  assert.deepEqual(current.kinds(), ['standing', 'current']);
  await touch(store, b);
  const stale = testAgent(saved);
  feed.attach({ hostId: b.id, cursor: stale.cursor(), sink: stale.sink });
  await until(() => stale.frames.length === 2, 'two frames');
  assert.deepEqual(stale.kinds(), ['standing', 'delta']);
});

test('changes within the window are told in one delta, the first one at once', async (t) => {
  const { store, feed, a, b } = await useFeed(t, { windowMs: 20 });
  const agent = testAgent();
  feed.attach({ hostId: a.id, sink: agent.sink });
  await until(() => agent.map !== undefined, 'a map');
  await touch(store, b);
  await until(() => agent.kinds().length === 3, 'the first delta');
  for (let n = 0; n < 10; n += 1) await touch(store, b);
  await until(() => agent.map?.revision === store.position().revision, 'the last revision');
  assert.ok(agent.kinds().filter((kind) => kind === 'delta').length < 11);
});

test('a change that nobody must know of is told to nobody', async (t) => {
  const { store, feed, a, b } = await useFeed(t);
  const agent = testAgent();
  feed.attach({ hostId: a.id, sink: agent.sink });
  await until(() => agent.map !== undefined, 'a map');
  await store.transact('server', async (tx) => tx.audit('token.create', null, {}));
  await touch(store, b);
  await until(() => agent.kinds().length > 2, 'a delta');
  assert.deepEqual(agent.kinds(), ['standing', 'map', 'delta']);
});

test('a pending host learns its standing only, until it is approved', async (t) => {
  const { store, feed, b } = await useFeed(t);
  const pending = await store.transact('server', (tx) => addHost(tx, 99, { state: 'pending' }));
  const agent = testAgent();
  feed.attach({ hostId: pending.id, sink: agent.sink });
  await until(() => agent.frames.length === 1, 'a standing');
  await touch(store, b);
  assert.deepEqual(agent.kinds(), ['standing']);
  await store.transact('server', async (tx) => {
    await updateHost(tx, pending.id, { state: 'active' });
    tx.touchHost(pending.id);
  });
  await until(() => agent.map !== undefined, 'a map');
  assert.deepEqual(agent.kinds(), ['standing', 'standing', 'map']);
});

test('a host that is disabled or removed is cut off, the others are told it left', async (t) => {
  const { store, feed, a, b, hosts } = await useFeed(t);
  const [agentA, agentB, agentC] = [testAgent(), testAgent(), testAgent()];
  feed.attach({ hostId: a.id, sink: agentA.sink });
  feed.attach({ hostId: b.id, sink: agentB.sink });
  feed.attach({ hostId: hosts[2]?.id ?? a.id, sink: agentC.sink });
  await until(() => [agentA, agentB, agentC].every(({ map }) => map !== undefined), 'maps');
  await store.transact('server', async (tx) => {
    await updateHost(tx, a.id, { state: 'disabled' });
    tx.forgetHost(a.id);
  });
  await store.transact('server', async (tx) => {
    await deleteHost(tx, b.id);
    tx.forgetHost(b.id);
  });
  await until(() => agentA.isEnded && agentB.isEnded, 'both are cut off');
  await until(() => agentC.map?.hosts.length === 1, 'the third knows');
  assert.deepEqual([feed.isOnline(a.id), feed.isOnline(b.id), feed.onlineCount()], [false, false, 1]);
  assert.equal(agentA.kinds().at(-1), 'standing');
});

test('a host with approved subnets is asked to report often', async (t) => {
  const { store, feed, a } = await useFeed(t);
  const agent = testAgent();
  feed.attach({ hostId: a.id, sink: agent.sink });
  await until(() => agent.map !== undefined, 'a map');
  await store.transact('server', async (tx) => {
    await insertSubnet(tx, { hostId: a.id, prefix: parseCidr('192.168.7.0/24'), weight: 10, state: 'approved' });
    tx.touchHost(a.id);
  });
  const seconds = (): unknown[] =>
    agent.frames.flatMap((frame) => (frame.kind === 'standing' ? [frame.standing.reportSeconds] : []));
  await until(() => seconds().length === 2, 'a new standing');
  assert.deepEqual(seconds(), [60, 5]);
});

test('a rotation reaches the host by broadcastStanding, and the same standing is not told twice', async (t) => {
  const { store, feed, a } = await useFeed(t);
  const agent = testAgent();
  feed.attach({ hostId: a.id, sink: agent.sink });
  await until(() => agent.map !== undefined, 'a map');
  feed.broadcastStanding(a.id);
  await store.transact('server', async (tx) => {
    await updateHost(tx, a.id, { isRotationDue: true });
    tx.audit('host.rotate', a.id, {});
  });
  feed.broadcastStanding(a.id);
  await until(() => agent.kinds().length === 3, 'a new standing');
  assert.deepEqual(agent.kinds(), ['standing', 'map', 'standing']);
});

test('a newer stream of the same host replaces the older one without the host going offline', async (t) => {
  const { feed, a } = await useFeed(t);
  const presence: [string, boolean][] = [];
  feed.onPresence((id, isOnline) => presence.push([id, isOnline]));
  const [first, second] = [testAgent(), testAgent()];
  const older = feed.attach({ hostId: a.id, sink: first.sink });
  const newer = feed.attach({ hostId: a.id, sink: second.sink });
  older.close();
  await until(() => second.map !== undefined, 'a map');
  assert.equal(first.isEnded, true);
  assert.deepEqual([feed.isOnline(a.id), feed.onlineCount()], [true, 1]);
  newer.close();
  newer.close();
  assert.deepEqual(presence, [
    [a.id, true],
    [a.id, false],
  ]);
});

test('a stream that cannot keep up, or whose socket throws, is dropped and the others go on', async (t) => {
  const { store, feed, a, b, hosts } = await useFeed(t);
  const c = hosts[2] ?? a;
  const [slow, broken, well] = [testAgent(), testAgent(), testAgent()];
  feed.attach({ hostId: a.id, sink: slow.sink });
  feed.attach({ hostId: b.id, sink: broken.sink });
  feed.attach({ hostId: c.id, sink: well.sink });
  await until(() => [slow, broken, well].every(({ map }) => map !== undefined), 'maps');
  slow.buffered = 5 * 1024 * 1024;
  broken.onWrite = () => {
    throw new Error('EPIPE');
  };
  await touch(store, c);
  await until(() => well.map?.revision === store.position().revision, 'the third goes on');
  assert.deepEqual([slow.isDestroyed, broken.isDestroyed, well.isDestroyed], [true, true, false]);
  assert.equal(feed.onlineCount(), 1);
});

test('streams get heartbeats, and end when their certificate does', async (t) => {
  const { feed, a, b, clock } = await useFeed(t, { heartbeatMs: 30 });
  const [lasting, ending] = [testAgent(), testAgent()];
  feed.attach({ hostId: a.id, sink: lasting.sink });
  feed.attach({ hostId: b.id, sink: ending.sink, endsAt: clock.now() + 1000 });
  await until(() => lasting.kinds().includes('heartbeat') && ending.kinds().includes('heartbeat'), 'heartbeats');
  clock.advance(1000);
  await until(() => ending.isEnded, 'the end');
  assert.equal(lasting.isEnded, false);
});

test('draining ends every stream and takes no new one', async (t) => {
  const { feed, a, b } = await useFeed(t);
  const agents = [testAgent(), testAgent()];
  agents.forEach((agent, n) => feed.attach({ hostId: n === 0 ? a.id : b.id, sink: agent.sink }));
  await feed.drain();
  assert.ok(agents.every(({ isEnded }) => isEnded));
  assert.throws(() => feed.attach({ hostId: a.id, sink: testAgent().sink }), { code: 'draining' });
  assert.equal(feed.onlineCount(), 0);
});

test('a large map travels compressed and is the same bytes for every stream', async (t) => {
  const { store, feed, hosts } = await useFeed(t, { hosts: 300 });
  // The first slice of the map ends in a host without workloads, and one has text that is longer as bytes.
  const variables = [{ name: 'GREETING', value: 'grüß dich, "Wärme" \u2028' }];
  await store.transact('server', async (tx) => {
    for (const [i, { id }] of hosts.entries()) {
      await recordWorkloads(tx, id, i % 3 === 0 ? [{ ...workload(`web-${i}`, []), variables }] : []);
    }
  });
  const written = new Set<Buffer>();
  const agents = hosts.slice(0, 20).map((host) => {
    const agent = testAgent();
    agent.onWrite = (bytes) => {
      if (bytes.includes('map-gzip')) written.add(bytes);
    };
    feed.attach({ hostId: host.id, sink: agent.sink });
    return agent;
  });
  await until(() => agents.every(({ map }) => map !== undefined), 'maps');
  const full = await readMap(store);
  for (const agent of agents) assert.deepEqual(agent.map, full);
  assert.equal(written.size, 1);
});

test('when much changed, an agent that was away gets a full map instead of a delta', async (t) => {
  const { store, feed, hosts, a } = await useFeed(t, { hosts: 520 });
  const agent = testAgent(await readMap(store));
  await store.transact('server', async (tx) => hosts.forEach(({ id }) => tx.touchHost(id)));
  feed.attach({ hostId: a.id, cursor: agent.cursor(), sink: agent.sink });
  await until(() => agent.frames.length === 2, 'two frames');
  assert.deepEqual(agent.kinds(), ['standing', 'map-gzip']);
});

test('an agent that was away longer than tombstones are kept gets a full map', async (t) => {
  const { store, feed, a, b } = await useFeed(t);
  const agent = testAgent(await readMap(store));
  await store.transact('server', async (tx) => {
    await deleteHost(tx, b.id);
    tx.forgetHost(b.id);
  });
  await store.transact('server', (tx) => pruneTombstones(tx, { before: 0, keep: 0 }));
  await touch(store, a);
  feed.attach({ hostId: a.id, cursor: agent.cursor(), sink: agent.sink });
  await until(() => agent.frames.length === 2, 'two frames');
  assert.deepEqual(agent.kinds(), ['standing', 'map']);
  assert.deepEqual(agent.map, await readMap(store));
});
