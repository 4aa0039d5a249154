import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listAudit } from '../../../shared/api/audit.ts';
import * as api from '../../../shared/api/hosts.ts';
import { createHostSubnet, listSubnets } from '../../../shared/api/subnets.ts';
import { parseHostName } from '../../../shared/names.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { enrollAgent, newIdempotencyKey, startServer } from '../routes/support.ts';
import { until } from '../../support/wait.ts';

const web1 = parseHostName('web-1');

test('two hosts never get one name, registered or enrolled', async (t) => {
  const server = await startServer(t);
  await server.admin(api.createHost, { body: { name: web1 } });
  await assert.rejects(server.admin(api.createHost, { body: { name: web1 } }), { code: 'name-taken', field: 'name' });
  const other = await server.admin(api.createHost, { body: { name: parseHostName('web-2') } });
  const rename = server.admin(api.updateHost, { params: { id: other.id }, body: { name: web1 } });
  await assert.rejects(rename, { code: 'name-taken' });
});

test('an update with an old version is refused, with the newest one taken', async (t) => {
  const server = await startServer(t);
  const { id, version } = await server.admin(api.createHost, { body: { name: web1 } });
  const update = (tag: string, ifMatch: number) =>
    server.admin(api.updateHost, { params: { id }, body: { tags: [tag] }, ifMatch });
  const updated = await update('one', version);
  assert.deepEqual(updated.tags, ['one']);
  await assert.rejects(update('two', version), { code: 'version-mismatch' });
  await assert.rejects(server.admin(api.removeHost, { params: { id }, ifMatch: version }), {
    code: 'version-mismatch',
  });
  await server.admin(api.removeHost, { params: { id }, ifMatch: updated.version });
});

test('a repeated creation with one idempotency key makes one host', async (t) => {
  const server = await startServer(t);
  const input = { body: { name: web1 }, idempotencyKey: newIdempotencyKey() };
  const first = await server.admin(api.createHost, input);
  assert.deepEqual(await server.admin(api.createHost, input), first);
});

test('disabling cuts the stream and the map, enabling brings the host back with what it had', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  const db = await enrollAgent(server, 'db-1');
  const webFeed = await server.open('/agent/v1/feed', { agent: web });
  const dbFeed = await server.open('/agent/v1/feed', { agent: db });
  await until('both have a map', { seconds: 5 }, () => [webFeed, dbFeed].every(({ frames }) => frames.length >= 2));
  const before = await server.admin(api.showHost, { params: { id: web.id } });
  assert.equal(before.isOnline, true);
  await server.admin(api.disableHost, { params: { id: web.id } });
  await until('the stream is cut', { seconds: 5 }, () => webFeed.isClosed());
  await until('the other host is told', { seconds: 5 }, () =>
    dbFeed.frames.some((frame) => frame.kind === 'delta' && frame.delta.removes.includes(web.id)),
  );
  await assert.rejects(web.report(), { code: 'host-disabled' });
  const after = await server.admin(api.enableHost, { params: { id: web.id } });
  assert.deepEqual([after.state, after.addresses, after.leases], ['active', before.addresses, before.leases]);
  await until('the other host is told again', { seconds: 5 }, () =>
    dbFeed.frames.some((frame) => frame.kind === 'delta' && frame.delta.upserts.some(({ id }) => id === web.id)),
  );
  await web.report();
});

test('removing a host ends its stream and takes its subnets along', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  const body = { prefix: parseCidr('192.168.7.0/24') };
  await server.admin(createHostSubnet, { params: { id: web.id }, body });
  const feed = await server.open('/agent/v1/feed', { agent: web });
  await server.admin(api.removeHost, { params: { id: web.id } });
  await until('the stream is cut', { seconds: 5 }, () => feed.isClosed());
  assert.deepEqual((await server.admin(listSubnets, {})).items, []);
  await assert.rejects(server.admin(api.showHost, { params: { id: web.id } }), { code: 'not-found' });
});

test('an approved host is told its standing and the map on the stream it already holds', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1', { token: await server.token({ autoApprove: false }) });
  const feed = await server.open('/agent/v1/feed', { agent: web });
  await until('its standing', { seconds: 5 }, () => feed.frames.length === 1);
  await server.admin(api.approveHost, { params: { id: web.id } });
  await until('its map', { seconds: 5 }, () => feed.frames.some(({ kind }) => kind === 'map'));
  const states = feed.frames.flatMap((frame) => (frame.kind === 'standing' ? [frame.standing.state] : []));
  assert.deepEqual(states, ['pending', 'active']);
});

test('a rotation is told on the open stream', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  const feed = await server.open('/agent/v1/feed', { agent: web });
  await server.admin(api.rotateHost, { params: { id: web.id } });
  await until('the rotation is told', { seconds: 5 }, () =>
    feed.frames.some((frame) => frame.kind === 'standing' && frame.standing.isRotationDue),
  );
});

test('what makes no sense in a state is a conflict that says why', async (t) => {
  const server = await startServer(t);
  const { id } = await server.admin(api.createHost, { body: { name: web1 } });
  const act = (op: typeof api.approveHost) => server.admin(op, { params: { id } });
  await assert.rejects(act(api.approveHost), { code: 'conflict', message: /registered/ });
  await assert.rejects(act(api.disableHost), { code: 'conflict', message: /remove it instead/ });
  await assert.rejects(act(api.enableHost), { code: 'conflict' });
  await assert.rejects(act(api.rotateHost), { code: 'conflict' });
});

test('each thing done to a host is on record once, with who did it', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  const params = { id: web.id };
  await server.admin(api.disableHost, { params });
  await server.admin(api.disableHost, { params });
  await server.admin(api.enableHost, { params });
  await server.admin(api.updateHost, { params, body: { name: parseHostName('web-9') } });
  await server.admin(api.removeHost, { params });
  const { items } = await server.admin(listAudit, {});
  const ofHost = items.filter(({ subject }) => subject === web.id).map(({ action }) => action);
  assert.deepEqual(ofHost, ['host.remove', 'host.update', 'host.enable', 'host.disable', 'host.enroll']);
  assert.ok(
    items.filter(({ action }) => action !== 'host.enroll').every(({ actor }) => /^(key:k|server$)/.test(actor)),
  );
});

test('a host that becomes a relay is told to every host once, and its own reports leave it one', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  const db = await enrollAgent(server, 'db-1');
  const feed = await server.open('/agent/v1/feed', { agent: db });
  await until('it has a map', { seconds: 5 }, () => feed.frames.some(({ kind }) => kind === 'map'));
  const set = (isRelay: boolean) => server.admin(api.updateHost, { params: { id: web.id }, body: { isRelay } });
  const { revision } = server.deps.store.position();
  assert.equal((await set(true)).isRelay, true);
  assert.equal(server.deps.store.position().revision, revision + 1);
  await set(true);
  assert.equal(server.deps.feed.mapRevision(), revision + 1, 'nothing new, so nobody is told');
  const toldOf = (isRelay: boolean) =>
    feed.frames.some(
      (frame) =>
        frame.kind === 'delta' && frame.delta.upserts.some((one) => one.id === web.id && one.isRelay === isRelay),
    );
  await until('the other host knows', { seconds: 5 }, () => toldOf(true));
  const { items } = await server.admin(listAudit, {});
  assert.deepEqual(items.find(({ action }) => action === 'host.update')?.detail, {
    before: { name: 'web-1', tags: [], isRelay: true },
    after: { name: 'web-1', tags: [], isRelay: true },
  });
  await web.report({ nat: 'easy' });
  assert.equal((await server.admin(api.showHost, { params: { id: web.id } })).isRelay, true);
  assert.equal((await set(false)).isRelay, false);
  await until('the other host knows', { seconds: 5 }, () => toldOf(false));
});

test('hosts are listed page by page, by state and by name', async (t) => {
  const server = await startServer(t);
  for (const name of ['a', 'b', 'c']) await server.admin(api.createHost, { body: { name: parseHostName(name) } });
  const first = await server.admin(api.listHosts, { query: { limit: 2 } });
  const second = await server.admin(api.listHosts, { query: { limit: 2, cursor: first.nextCursor ?? '' } });
  assert.deepEqual(
    [...first.items, ...second.items].map(({ name }) => name),
    ['a', 'b', 'c'],
  );
  assert.equal(second.nextCursor, null);
  assert.equal((await server.admin(api.listHosts, { query: { state: 'active' } })).items.length, 0);
  assert.equal((await server.admin(api.listHosts, { query: { name: parseHostName('b') } })).items.length, 1);
});
