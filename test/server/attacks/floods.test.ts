import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { type Socket, connect as connectPlain } from 'node:net';
import { gzipSync } from 'node:zlib';
import test, { after, before } from 'node:test';
import { newWireGuardKey, startTestServer, type TestServer } from '../http/test-server.ts';
import { der, toPem } from '../pki/csr-builder.ts';

let running: TestServer;
before(async () => {
  running = await startTestServer({ limits: { maxFailures: 5, windowSeconds: 60 } });
});
after(() => running.stop());

/** Status of a call that comes from `localAddress`. */
async function statusFrom(localAddress: string, key: string): Promise<number> {
  const { port } = running.server;
  const headers = { authorization: `Bearer ${key}`, 'x-forwarded-for': '192.0.2.77' };
  const sent = request({
    host: '127.0.0.1',
    port,
    path: '/api/v1/hosts',
    ca: running.ca,
    agent: false,
    localAddress,
    headers,
  });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'close');
  return response.statusCode ?? 0;
}

test('who guesses is slowed down by its own address, whatever its headers say, and locks nobody else out', async () => {
  const statuses: number[] = [];
  for (let n = 0; n < 8; n += 1)
    statuses.push(await statusFrom('127.0.0.2', `wrn_k${'a'.repeat(16)}_${'A'.repeat(43)}`));
  assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
  assert.equal(await statusFrom('127.0.0.3', 'wrn_wrong'), 401);
  assert.equal(await statusFrom('127.0.0.2', running.adminKey), 200);
});

test('bodies of a megabyte are refused before they are read, also with no credentials', async () => {
  const text = JSON.stringify({ name: 'x'.repeat(1024 * 1024) });
  for (const path of ['/agent/v1/enroll', '/api/v1/hosts', '/api/v1/tokens']) {
    const refused = await running.ask(path, { method: 'POST', text, key: running.adminKey }).then(
      ({ status }) => status,
      (error: NodeJS.ErrnoException) => error.code,
    );
    assert.ok(refused === 413 || refused === 'ECONNRESET' || refused === 'EPIPE', `${path}: ${refused}`);
  }
  assert.equal((await running.ask('/healthz')).status, 200);
});

test('JSON that is nested thirty thousand deep, unpacked or packed, is a problem and holds nobody up', async () => {
  const deep = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
  for (const text of [deep(30_000), `{"name":${deep(30_000)}}`, '{"a":'.repeat(20_000) + '1' + '}'.repeat(20_000)]) {
    const answer = await running.ask('/api/v1/hosts', { method: 'POST', text, key: running.adminKey });
    assert.ok(answer.status === 400 || answer.status === 413, answer.text);
  }
  // A small body that unpacks to a huge one: nobody unpacks it.
  const packed = gzipSync(Buffer.alloc(64 * 1024 * 1024)).toString('latin1');
  const headers = { 'content-encoding': 'gzip' };
  const bomb = await running.ask('/api/v1/hosts', { method: 'POST', text: packed, key: running.adminKey, headers });
  assert.ok([400, 413, 415].includes(bomb.status), bomb.text);
  assert.equal((await running.ask('/healthz')).status, 200);
});

test('certificate requests that are huge, deep or cut short are problems', async () => {
  let deep = der(0x30);
  for (let n = 0; n < 1200; n += 1) deep = der(0x30, deep);
  const made = await running.ask('/api/v1/tokens', { method: 'POST', key: running.adminKey, body: {} });
  const { token } = made.json as { token: string };
  const { i: tokenId, s: tokenSecret } = JSON.parse(
    Buffer.from(token.slice(5), 'base64url').toString('utf8'),
  ) as Record<string, string>;
  const base = {
    tokenId,
    tokenSecret,
    name: 'deep',
    publicKey: newWireGuardKey(),
    listenPort: 51820,
    agentVersion: '1',
  };
  const endless = Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff]);
  for (const csr of [
    toPem(deep),
    toPem(endless),
    toPem(Buffer.alloc(5900)),
    toPem(Buffer.alloc(60_000)),
    toPem(Buffer.alloc(0)),
  ]) {
    const answer = await running.ask('/agent/v1/enroll', { method: 'POST', body: { ...base, csr } });
    assert.ok(answer.status === 400 || answer.status === 413, answer.text);
    assert.match(String(answer.json['code']), /^(csr-invalid|request-invalid|body-too-large)$/);
  }
});

test('no path leads out of what is served', async () => {
  for (const path of [
    '/dist/../package.json',
    '/dist/..%2f..%2fetc%2fpasswd',
    '/dist/..%5c..%5cetc',
    '/dist/%2e%2e/%2e%2e/etc/passwd',
    '/dist//etc/passwd',
    '/dist/./manifest.json/../../../etc/passwd',
    '/dist/manifest.json%00.gz',
    '/install.sh/..',
    '//install.sh',
    '/docs/../../etc/passwd',
  ]) {
    const { status, text } = await running.ask(path);
    assert.ok(status === 404 || status === 400, `${path}: ${status}`);
    assert.doesNotMatch(text, /root:|"version"/);
  }
});

test('two thousand connections that say nothing do not keep the others from being served', async () => {
  const sockets: Socket[] = [];
  for (let n = 0; n < 2000; n += 1) {
    const socket = connectPlain(running.server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    sockets.push(socket);
    if (n % 200 === 199) await once(socket, 'connect');
  }
  assert.equal((await running.ask('/healthz')).status, 200);
  assert.equal((await running.ask('/api/v1/mesh', { key: running.adminKey })).status, 200);
  for (const socket of sockets) socket.destroy();
});
