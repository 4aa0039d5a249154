import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { listKeys } from '../../shared/api/keys.ts';
import { openStream } from '../server/routes/https.ts';
import { enrollAgent } from '../server/routes/support.ts';
import { temporaryDirectory } from '../server/store/support.ts';
import { until } from '../support/wait.ts';
import { startServerProcess } from './server-process.ts';

test('the first start prints the admin key, writes it 0600, and a later start does neither', async (t) => {
  const state = join(temporaryDirectory(t), 'state');
  const first = await startServerProcess(t, { state });
  await until('the key is printed', { seconds: 10 }, () => first.stdout().includes('\n'));
  const [, key] = /^admin key: (wrn_k[a-z2-7]{16}_[A-Za-z0-9_-]{43})\n$/.exec(first.stdout()) ?? [];
  assert.ok(key !== undefined, first.stdout());
  assert.equal(await readFile(join(state, 'admin.key'), 'utf8'), `${key}\n`);
  assert.equal((await stat(join(state, 'admin.key'))).mode & 0o777, 0o600);
  assert.equal((await stat(state)).mode & 0o777, 0o700);
  assert.equal((await first.as(key)(listKeys, {})).items.length, 1);
  assert.ok(!first.stderr().includes(key.slice(22)), 'the log does not hold the key');
  first.kill('SIGINT');
  assert.deepEqual(await first.ended, { code: 0, signal: null });
  const second = await startServerProcess(t, { state, args: ['--json'] });
  assert.equal((await second.as(key)(listKeys, {})).items.length, 1);
  second.kill('SIGTERM');
  assert.deepEqual(await second.ended, { code: 0, signal: null });
  assert.equal(second.stdout(), '');
});

test('SIGTERM ends streams that are open and the process within 5 s, with exit code 0', async (t) => {
  const server = await startServerProcess(t, { state: temporaryDirectory(t) });
  const agents = [await enrollAgent(server, 'one'), await enrollAgent(server, 'two')];
  const identities = agents.map((agent) => ({ agent }));
  const streams = await Promise.all(identities.map((agent) => openStream(server.port, '/agent/v1/feed', agent)));
  const bearer = (await readFile(join(server.state, 'admin.key'), 'utf8')).trim();
  streams.push(await openStream(server.port, '/api/v1/events', { bearer }));
  for (const stream of streams) assert.equal(stream.status, 200);
  const asked = performance.now();
  server.kill('SIGTERM');
  assert.deepEqual(await server.ended, { code: 0, signal: null });
  assert.ok(performance.now() - asked < 5000);
  for (const stream of streams) await until('the stream ended', { seconds: 5 }, () => stream.isClosed());
});

test('a signal that comes while the server starts ends it in order, too', async (t) => {
  const state = temporaryDirectory(t);
  const server = await startServerProcess(t, { state, isReady: () => existsSync(join(state, 'warren.db')) });
  server.kill('SIGTERM');
  assert.deepEqual(await server.ended, { code: 0, signal: null });
  assert.equal(existsSync(join(state, 'warren.db-wal')), false, 'the database is closed');
});

/** A connection that has begun a request and does not finish it, which holds a stop up for a while. */
async function beginRequest(port: number, ca: string) {
  const socket = connect({ host: '127.0.0.1', port, ca });
  await once(socket, 'secureConnect');
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  socket.on('error', () => undefined);
  const head = 'host: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n';
  socket.write(`GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nPOST /agent/v1/enroll HTTP/1.1\r\n${head}{`);
  await until('the first request is answered', { seconds: 10 }, () => text.includes('"ok"'));
  return { socket, text: () => text };
}

test('a second signal ends the process at once', async (t) => {
  const server = await startServerProcess(t, { state: temporaryDirectory(t), env: { WARREN_LOG_LEVEL: 'trace' } });
  const { socket } = await beginRequest(server.port, await readFile(join(server.state, 'ca.crt'), 'utf8'));
  server.kill('SIGTERM');
  await until('the server no longer listens', { seconds: 10, everyMilliseconds: 10 }, () => isRefused(server.port));
  server.kill('SIGTERM');
  assert.deepEqual(await server.ended, { code: 1, signal: null });
  socket.destroy();
});

test('while it stops, what is under way is finished and /readyz says 503', async (t) => {
  const server = await startServerProcess(t, { state: temporaryDirectory(t) });
  assert.equal((await server.get('/readyz')).status, 200);
  const { socket, text } = await beginRequest(server.port, await readFile(join(server.state, 'ca.crt'), 'utf8'));
  server.kill('SIGTERM');
  await until('the server no longer listens', { seconds: 10, everyMilliseconds: 10 }, () => isRefused(server.port));
  socket.write('}GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n');
  await server.ended;
  assert.match(text(), /HTTP\/1.1 400 [^]*request-invalid/);
  assert.match(text(), /HTTP\/1.1 503 [^]*application\/problem\+json[^]*"code":"draining"/);
});

async function isRefused(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  try {
    await once(socket, 'secureConnect');
    return false;
  } catch {
    return true;
  } finally {
    socket.destroy();
  }
}

test('metrics are where they were asked for, or nowhere', async (t) => {
  const env = { WARREN_METRICS_LISTEN: '127.0.0.1:0' };
  const on = await startServerProcess(t, { state: temporaryDirectory(t), env });
  const answer = await fetch(`http://127.0.0.1:${on.metricsPort}/metrics`);
  assert.match(await answer.text(), /^warren_revision \d+$/m);
  assert.equal((await on.get('/metrics')).status, 404);
  const off = await startServerProcess(t, { state: temporaryDirectory(t) });
  assert.equal(off.metricsPort, undefined);
});

test('a metrics address that is taken stops the start only where somebody asked for it', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as { port: number };
  const env = { WARREN_METRICS_LISTEN: `127.0.0.1:${port}` };
  await assert.rejects(
    startServerProcess(t, { state: temporaryDirectory(t), env }),
    new RegExp(`cannot listen on 127.0.0.1:${port}: something else listens there; choose another metricsListen`),
  );
});
