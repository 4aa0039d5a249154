import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHost, disableHost, removeHost } from '../../../shared/api/hosts.ts';
import * as api from '../../../shared/api/publications.ts';
import { showMesh } from '../../../shared/api/status.ts';
import type { HostId } from '../../../shared/names.ts';
import { parseEndpoint } from '../../../shared/net/endpoint.ts';
import { parseHostId, parseHostName } from '../../../shared/names.ts';
import { parseLabel } from '../../../shared/workload.ts';
import { type TestServer, enrollAgent, newIdempotencyKey, startServer } from '../routes/support.ts';

const web = parseLabel('web');
type Wish = { port: number; protocol?: 'tcp' | 'udp'; host?: HostId | null; targetPort?: number };
const publish = (server: TestServer, wish: Wish) =>
  server.admin(api.createPublication, { body: { service: web, targetPort: 80, ...wish } });
const settings = async (server: TestServer) => (await server.admin(showMesh, {})).settings;

test('a publication is made, listed, shown, put into the map and taken back', async (t) => {
  const server = await startServer(t);
  const a = await enrollAgent(server, 'a');
  const made = await publish(server, { port: 8080, host: a.id });
  assert.deepEqual([made.protocol, made.hostName, made.service, made.targetPort], ['tcp', 'a', 'web', 80]);
  assert.deepEqual(await server.admin(api.showPublication, { params: { id: made.id } }), made);
  assert.deepEqual((await server.admin(api.listPublications, {})).items, [made]);
  const { hostName: _, createdAt: __, ...told } = made;
  assert.deepEqual((await settings(server)).publications, [told]);
  await server.admin(api.removePublication, { params: { id: made.id } });
  assert.deepEqual((await settings(server)).publications, []);
  await assert.rejects(server.admin(api.showPublication, { params: { id: made.id } }), { code: 'not-found' });
  await assert.rejects(server.admin(api.removePublication, { params: { id: made.id } }), { code: 'not-found' });
});

test('a port on all hosts and the same on one exclude each other, in either order; two hosts do not', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await enrollAgent(server, 'a'), await enrollAgent(server, 'b')];
  await publish(server, { port: 8080, host: a.id });
  await publish(server, { port: 8080, host: b.id });
  await publish(server, { port: 8080, protocol: 'udp', host: a.id });
  await assert.rejects(publish(server, { port: 8080, host: a.id }), { code: 'conflict', field: 'port' });
  await assert.rejects(publish(server, { port: 8080 }), { code: 'conflict', message: /on host [ab] leads to web:80/ });
  await publish(server, { port: 9000 });
  await assert.rejects(publish(server, { port: 9000, host: b.id }), { message: /on every host.*unpublish p/ });
  await assert.rejects(publish(server, { port: 9000 }), { code: 'conflict' });
  await publish(server, { port: 9000, protocol: 'udp' });
});

test('of fifty that want one port at once exactly one has it', async (t) => {
  const server = await startServer(t);
  const tries = await Promise.allSettled(Array.from({ length: 50 }, () => publish(server, { port: 8080 })));
  assert.equal(tries.filter(({ status }) => status === 'fulfilled').length, 1);
  assert.equal((await settings(server)).publications.length, 1);
});

test('a port where tunnels end, the server listens or SSH would be lost is refused with a remedy', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await enrollAgent(server, 'a'), await enrollAgent(server, 'b')];
  await b.report({ listenPort: 51999 });
  const refused = { code: 'conflict', field: 'port', message: /choose another port/ };
  await assert.rejects(publish(server, { port: 51820, protocol: 'udp' }), { ...refused, message: /host a end/ });
  await assert.rejects(publish(server, { port: 51999, protocol: 'udp' }), { ...refused, message: /host b end/ });
  await assert.rejects(publish(server, { port: 51820, protocol: 'udp', host: a.id }), refused);
  await publish(server, { port: 51820, protocol: 'udp', host: b.id });
  await publish(server, { port: 51820 });
  await assert.rejects(publish(server, { port: 22 }), refused);
  await publish(server, { port: 22, host: a.id });
});

test("the server's own port is refused on all hosts and on the host it runs on, and free on others", async (t) => {
  const server = await startServer(t, { url: 'https://192.0.2.1:8443' });
  const [a, b] = [await enrollAgent(server, 'a'), await enrollAgent(server, 'b')];
  await a.report({ localEndpoints: [parseEndpoint('192.0.2.1:51820')] });
  await b.report({ localEndpoints: [parseEndpoint('192.0.2.10:51820')] });
  await assert.rejects(publish(server, { port: 8443 }), { code: 'conflict', message: /192\.0\.2\.1:8443 listens/ });
  await assert.rejects(publish(server, { port: 8443, host: a.id }), { code: 'conflict' });
  await publish(server, { port: 8443, host: b.id });
});

test('what does not fit the grammar is refused, and so is a host that is not there', async (t) => {
  const server = await startServer(t);
  const body = { service: web, targetPort: 80, port: 8080 };
  for (const wrong of [
    { service: 'We b' },
    { service: '-web' },
    { service: 'web\n[Peer]' },
    { port: 0 },
    { port: 65536 },
    { targetPort: 80.5 },
    { protocol: 'sctp' },
    { host: 'all' },
    { extra: 1 },
  ]) {
    const asked = server.admin(api.createPublication, { body: { ...body, ...wrong } as never });
    await assert.rejects(asked, { code: 'request-invalid' }, JSON.stringify(wrong));
  }
  await assert.rejects(publish(server, { port: 8080, host: parseHostId('haaaaaaaaaaaaaaaa') }), { code: 'not-found' });
});

test('a repeated request with its idempotency key is one publication', async (t) => {
  const server = await startServer(t);
  const idempotencyKey = newIdempotencyKey();
  const ask = () =>
    server.admin(api.createPublication, { body: { service: web, targetPort: 80, port: 8080 }, idempotencyKey });
  assert.deepEqual(await ask(), await ask());
  assert.equal((await settings(server)).publications.length, 1);
});

test('a host takes its publications with it when it is removed, and everybody is told; disabled it keeps them', async (t) => {
  const server = await startServer(t);
  const a = await enrollAgent(server, 'a');
  await publish(server, { port: 8080, host: a.id });
  await publish(server, { port: 9000 });
  await server.admin(disableHost, { params: { id: a.id } });
  assert.equal((await settings(server)).publications.length, 2);
  let isMeshTold = false;
  server.deps.store.onCommit((commit) => (isMeshTold ||= commit.isMeshChanged));
  await server.admin(removeHost, { params: { id: a.id } });
  assert.deepEqual(
    (await settings(server)).publications.map(({ port }) => port),
    [9000],
  );
  assert.equal(isMeshTold, true);
});

test('a host that has not enrolled yet may be published on; a list is read page by page', async (t) => {
  const server = await startServer(t);
  const { id: host } = await server.admin(createHost, { body: { name: parseHostName('later') } });
  for (const port of [8001, 8002, 8003, 8004, 8005]) await publish(server, { port, host });
  const ports: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await server.admin(api.listPublications, { query: { limit: 2, ...(cursor && { cursor }) } });
    ports.push(...page.items.map(({ port }) => port));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  assert.deepEqual(
    ports.toSorted((a, b) => a - b),
    [8001, 8002, 8003, 8004, 8005],
  );
});
