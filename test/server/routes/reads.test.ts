import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listAudit } from '../../../shared/api/audit.ts';
import { createKey, revokeKey } from '../../../shared/api/keys.ts';
import { createPool, listPools } from '../../../shared/api/pools.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { createHostSubnet } from '../../../shared/api/subnets.ts';
import { until } from '../../support/wait.ts';
import { enrollAgent, startServer } from './support.ts';

test('changes are streamed to who listens, with action and subject', async (t) => {
  const server = await startServer(t);
  const events = await server.open('/api/v1/events', { bearer: server.adminKey });
  const web = await enrollAgent(server, 'web-1');
  await until('the enrollment', { seconds: 5 }, () => events.text().includes('"action":"host.enroll"'));
  const { revision } = server.deps.store.position();
  const block = events.text().trim().split('\n\n').at(-1) ?? '';
  const [id, event, data] = block.split('\n');
  assert.deepEqual([id, event], [`id: ${revision}`, 'event: change']);
  const change = JSON.parse((data ?? '').replace(/^data: /, '')) as Record<string, unknown>;
  assert.deepEqual(Object.keys(change), ['revision', 'action', 'subject', 'at']);
  assert.deepEqual([change['revision'], change['subject']], [revision, web.id]);
});

test('who listens with a key is cut off when it is revoked', async (t) => {
  const server = await startServer(t);
  const { id, key } = await server.admin(createKey, { body: { scope: 'read' } });
  const events = await server.open('/api/v1/events', { bearer: key });
  assert.equal(events.status, 200);
  await server.admin(revokeKey, { params: { id } });
  await until('the stream is cut', { seconds: 6 }, () => events.isClosed());
});

test('the record reads newest first, and forward from where a reader was', async (t) => {
  const server = await startServer(t);
  for (let i = 0; i < 5; i += 1) await server.token();
  const newest = await server.admin(listAudit, { query: { limit: 2 } });
  const older = await server.admin(listAudit, { query: { limit: 2, cursor: newest.nextCursor ?? '' } });
  const ids = [...newest.items, ...older.items].map(({ id }) => Number(id));
  assert.deepEqual(
    ids,
    ids.toSorted((a, b) => b - a),
  );
  const after = String(ids.at(-1));
  const forward = await server.admin(listAudit, { query: { limit: 2, after } });
  const more = await server.admin(listAudit, { query: { limit: 2, after, cursor: forward.nextCursor ?? '' } });
  assert.deepEqual(
    [...forward.items, ...more.items].map(({ id }) => Number(id)),
    ids.slice(0, 3).toReversed(),
  );
  assert.equal(more.nextCursor, null);
});

test('a pool is added beside those there are, and never over anything in use', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  const body = { prefix: parseCidr('192.168.7.0/24') };
  await server.admin(createHostSubnet, { params: { id: web.id }, body });
  const add = (prefix: string, leaseLength?: number) =>
    server.admin(createPool, {
      body: { kind: 'container', prefix: parseCidr(prefix), ...(leaseLength === undefined ? {} : { leaseLength }) },
    });
  const pool = await add('10.211.0.0/16');
  assert.deepEqual([pool.leaseLength, pool.capacity, pool.leased], [24, '256', 0]);
  await assert.rejects(add('10.211.128.0/17'), { code: 'prefix-overlaps' });
  await assert.rejects(add('10.86.0.0/20'), { code: 'prefix-overlaps' });
  await assert.rejects(add('192.168.0.0/16'), { code: 'prefix-overlaps', message: /192\.168\.7\.0/ });
  await assert.rejects(add('127.0.0.0/16'), { code: 'prefix-refused' });
  await assert.rejects(add('10.212.0.0/16', 12), { code: 'request-invalid', field: 'leaseLength' });
  const { items } = await server.admin(listPools, {});
  assert.equal(items.length, 5);
  assert.deepEqual(
    items.map(({ leased }) => leased),
    [1, 1, 1, 1, 0],
  );
});
