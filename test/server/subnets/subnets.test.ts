import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHost } from '../../../shared/api/hosts.ts';
import { createPool } from '../../../shared/api/pools.ts';
import * as api from '../../../shared/api/subnets.ts';
import { parseHostName } from '../../../shared/names.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import type { HostId } from '../../../shared/names.ts';
import { type TestServer, enrollAgent, startServer } from '../routes/support.ts';
import { until } from '../../support/wait.ts';

const lan = parseCidr('192.168.7.0/24');
const create = (server: TestServer, id: HostId, prefix = lan, weight = 10) =>
  server.admin(api.createHostSubnet, { params: { id }, body: { prefix, weight } });
const show = (server: TestServer, id: string) => server.admin(api.showSubnet, { params: { id } });

test('of two hosts with one prefix the lower weight is active, and a new weight moves it', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await enrollAgent(server, 'a'), await enrollAgent(server, 'b')];
  const ofA = await create(server, a.id, lan, 10);
  const ofB = await create(server, b.id, lan, 20);
  assert.deepEqual([(await show(server, ofA.id)).isActive, (await show(server, ofB.id)).isActive], [true, false]);
  await server.admin(api.updateSubnet, { params: { id: ofB.id }, body: { weight: 5 }, ifMatch: ofB.version });
  assert.deepEqual([(await show(server, ofA.id)).isActive, (await show(server, ofB.id)).isActive], [false, true]);
});

test('a subnet of a host that never enrolled is approved but carries nothing', async (t) => {
  const server = await startServer(t);
  const { id } = await server.admin(createHost, { body: { name: parseHostName('db-1') } });
  const subnet = await create(server, id);
  assert.deepEqual([subnet.state, subnet.isActive], ['approved', false]);
  await enrollAgent(server, 'db-1');
  assert.equal((await show(server, subnet.id)).isActive, true);
});

test('only approved subnets reach other hosts, and a rejected one leaves them', async (t) => {
  const server = await startServer(t);
  const advertise = [{ prefix: lan, weight: 10 }];
  const a = await enrollAgent(server, 'a', { change: { advertise } });
  const b = await enrollAgent(server, 'b');
  const feed = await server.open('/agent/v1/feed', { agent: b });
  const told = () =>
    feed.frames
      .flatMap((frame) => (frame.kind === 'map' ? frame.map.hosts : frame.kind === 'delta' ? frame.delta.upserts : []))
      .filter(({ id }) => id === a.id)
      .map(({ subnets }) => subnets.length);
  const { items } = await server.admin(api.listHostSubnets, { params: { id: a.id } });
  const params = { id: items[0]?.id ?? '' };
  await until('the map', { seconds: 5 }, () => told().length === 1);
  await server.admin(api.updateSubnet, { params, body: { state: 'approved' } });
  await until('the approval', { seconds: 5 }, () => told().length === 2);
  await server.admin(api.updateSubnet, { params, body: { state: 'rejected' } });
  await until('the rejection', { seconds: 5 }, () => told().length === 3);
  assert.deepEqual(told(), [0, 1, 0]);
});

test('a wish that overlaps a pool added since cannot be approved', async (t) => {
  const server = await startServer(t);
  const advertise = [{ prefix: parseCidr('10.99.1.0/24'), weight: 10 }];
  await enrollAgent(server, 'a', { change: { advertise } });
  await server.admin(createPool, { body: { kind: 'container', prefix: parseCidr('10.99.0.0/16') } });
  const { items } = await server.admin(api.listSubnets, {});
  const act = server.admin(api.updateSubnet, { params: { id: items[0]?.id ?? '' }, body: { state: 'approved' } });
  await assert.rejects(act, { code: 'prefix-overlaps', message: /10\.99\.0\.0\/16/ });
});

test('one host has a prefix once, and what the mesh uses is refused to operators too', async (t) => {
  const server = await startServer(t);
  const a = await enrollAgent(server, 'a');
  await create(server, a.id);
  await assert.rejects(create(server, a.id), { code: 'conflict', field: 'prefix' });
  await create(server, a.id, parseCidr('192.168.7.128/25'));
  await assert.rejects(create(server, a.id, parseCidr('10.210.4.0/24')), { code: 'prefix-overlaps' });
  await assert.rejects(create(server, a.id, parseCidr('::/0')), { code: 'prefix-refused' });
});

test('a subnet is removed through its own host only', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await enrollAgent(server, 'a'), await enrollAgent(server, 'b')];
  const { id: subnetId } = await create(server, a.id);
  const remove = (id: HostId) => server.admin(api.removeHostSubnet, { params: { id, subnetId } });
  await assert.rejects(remove(b.id), { code: 'not-found' });
  await remove(a.id);
  await assert.rejects(show(server, subnetId), { code: 'not-found' });
});
