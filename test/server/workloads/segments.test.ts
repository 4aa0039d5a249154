import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as api from '../../../shared/api/segments.ts';
import { showMesh } from '../../../shared/api/status.ts';
import { listAudit } from '../../../shared/api/audit.ts';
import { parseSegmentName } from '../../../shared/workload.ts';
import { type TestServer, enrollAgent, startServer } from '../routes/support.ts';
import { workload } from './support.ts';

const add = (server: TestServer, name: string, kind: 'routed' | 'bridged' = 'routed') =>
  server.admin(api.createSegment, { body: { name: parseSegmentName(name), kind } });
const remove = (server: TestServer, name: string) =>
  server.admin(api.removeSegment, { params: { name: parseSegmentName(name) } });
const list = async (server: TestServer) => (await server.admin(api.listSegments, {})).items;

test('a bridged segment gets a VNI of its own, a routed one none, and both are in the map by name', async (t) => {
  const server = await startServer(t);
  const [red, blue, plain] = [
    await add(server, 'red', 'bridged'),
    await add(server, 'blue', 'bridged'),
    await add(server, 'plain'),
  ];
  assert.equal(plain.vni, null);
  assert.ok(red.vni !== null && blue.vni !== null && red.vni !== blue.vni);
  const { settings } = await server.admin(showMesh, {});
  assert.deepEqual(
    settings.segments,
    [blue, plain, red].map(({ name, kind, vni }) => ({ name, kind, vni })),
  );
});

test('a name is declared once; removed and declared again it has another VNI', async (t) => {
  const server = await startServer(t);
  const { vni } = await add(server, 'red', 'bridged');
  await assert.rejects(add(server, 'red'), { code: 'name-taken', field: 'name', message: /segment rm red/ });
  await remove(server, 'red');
  assert.deepEqual(await list(server), []);
  assert.notEqual((await add(server, 'red', 'bridged')).vni, vni);
  await assert.rejects(remove(server, 'green'), { code: 'not-found' });
  for (const name of ['Red', '-red', 'red_1', 'a'.repeat(32), 'red"; flush ruleset']) {
    const asked = server.admin(api.createSegment, { body: { name: name as never } });
    await assert.rejects(asked, { code: 'request-invalid' }, name);
  }
});

test('segments that only workloads name are listed with their members, and stay when their declaration goes', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await enrollAgent(server, 'a'), await enrollAgent(server, 'b')];
  const inside = (name: string, segment: string) => workload(name, [], { segment });
  await a.report({ workloads: [inside('web', 'blue'), inside('db', 'blue'), inside('x', 'green'), workload('y', [])] });
  await b.report({ workloads: [inside('web', 'blue')] });
  await add(server, 'red');
  await add(server, 'blue', 'bridged');
  const shown = async () =>
    (await list(server)).map(({ name, kind, isDeclared, workloads, hosts }) => [
      name,
      kind,
      isDeclared,
      workloads,
      hosts,
    ]);
  assert.deepEqual(await shown(), [
    ['blue', 'bridged', true, 3, 2],
    ['green', 'routed', false, 1, 1],
    ['red', 'routed', true, 0, 0],
  ]);
  await remove(server, 'blue');
  assert.deepEqual((await shown())[0], ['blue', 'routed', false, 3, 2]);
  await assert.rejects(remove(server, 'green'), { code: 'not-found' });
});

test('segments are read page by page in order of their names', async (t) => {
  const server = await startServer(t);
  for (const name of ['e', 'd-1', 'c', 'b9', 'a']) await add(server, name);
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await server.admin(api.listSegments, { query: { limit: 2, ...(cursor && { cursor }) } });
    names.push(...page.items.map(({ name }) => name));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  assert.deepEqual(names, ['a', 'b9', 'c', 'd-1', 'e']);
  const foreign = server.admin(api.listSegments, { query: { cursor: Buffer.from("a'--").toString('base64url') } });
  await assert.rejects(foreign, { code: 'request-invalid', field: 'cursor' });
});

test('who declares and removes is on record, and only an operator may', async (t) => {
  const server = await startServer(t);
  await add(server, 'red', 'bridged');
  await remove(server, 'red');
  const { items } = await server.admin(listAudit, { query: { limit: 2 } });
  assert.deepEqual(
    items.map(({ action, subject }) => [action, subject]),
    [
      ['segment.remove', 'red'],
      ['segment.create', 'red'],
    ],
  );
  const reader = await server.keyOf('read');
  await assert.rejects(reader(api.createSegment, { body: { name: parseSegmentName('x') } }), { code: 'forbidden' });
});
