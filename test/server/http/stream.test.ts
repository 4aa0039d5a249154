import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:tls';
import test, { after, before } from 'node:test';
import { until } from '../../support/wait.ts';
import { revokeCertificates } from '../../../server/store/certificates.ts';
import { type TestHost, type TestServer, startTestServer } from './test-server.ts';

let running: TestServer;
before(async () => {
  running = await startTestServer();
});
after(() => running.stop());

interface Watched {
  readonly text: () => string;
  readonly isClosed: () => boolean;
}

function watch(response: IncomingMessage): Watched {
  let text = '';
  let isClosed = false;
  response.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  response.on('close', () => (isClosed = true));
  response.on('error', () => (isClosed = true));
  return { text: () => text, isClosed: () => isClosed };
}

async function openFeed(host: TestHost): Promise<Watched> {
  const response = await running.open('/agent/v1/feed', { identity: host.identity });
  assert.equal(response.statusCode, 200);
  assert.equal(response.headers['content-type'], 'text/event-stream; charset=utf-8');
  assert.equal(response.headers['connection'], 'close');
  const watched = watch(response);
  await until('the first frame', { seconds: 5 }, () => watched.text().includes('event: standing'));
  return watched;
}

const cut = (watched: Watched) => until('the stream is cut', { seconds: 5 }, watched.isClosed);

test('an active host gets its standing and the map', async () => {
  const watched = await openFeed(await running.enroll());
  await until('the map', { seconds: 5 }, () => /event: map/.test(watched.text()));
});

test('a stream is cut when its certificate is revoked, its host disabled or removed', async () => {
  const { adminKey: key, ask, server } = running;
  const ends: ((host: TestHost) => Promise<unknown>)[] = [
    ({ id }) => ask(`/api/v1/hosts/${id}/disable`, { method: 'POST', key }),
    ({ id }) => ask(`/api/v1/hosts/${id}`, { method: 'DELETE', key }),
    ({ id }) =>
      server.deps.store.transact('server', async (tx) => {
        await revokeCertificates(tx, id);
        tx.audit('test.revoke', id, {});
      }),
    // Without any word of it in the audit: the net under the commits finds it.
    ({ id }) => server.deps.store.transact('server', (tx) => revokeCertificates(tx, id)),
  ];
  for (const end of ends) {
    const [host, other] = [await running.enroll(), await running.enroll()];
    const [watched, untouched] = [await openFeed(host), await openFeed(other)];
    await end(host);
    await cut(watched);
    assert.equal(untouched.isClosed(), false);
    const again = await ask('/agent/v1/feed', { identity: host.identity });
    assert.ok([401, 403, 410].includes(again.status), again.text);
  }
});

test('a stream of events ends when its key is revoked', async () => {
  const key = await running.makeKey('read');
  const watched = watch(await running.open('/api/v1/events', { key }));
  const id = key.split('_')[1] ?? '';
  await running.ask(`/api/v1/keys/${id}`, { method: 'DELETE', key: running.adminKey });
  await cut(watched);
});

test('a second request on the connection of a stream ends it', async () => {
  const { identity } = await running.enroll();
  const socket = connect({ host: '127.0.0.1', port: running.server.port, ca: running.ca, ...identity });
  let text = '';
  let isClosed = false;
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  socket.on('error', () => {});
  socket.on('close', () => (isClosed = true));
  socket.write('GET /agent/v1/feed HTTP/1.1\r\nhost: x\r\n\r\n');
  await until('the stream', { seconds: 5 }, () => text.includes('event: standing'));
  socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
  await until('the end', { seconds: 5 }, () => isClosed);
  assert.ok(!text.includes('"ok"'));
});

test('the server stops with streams open, readable or not, and says that it is draining before', async () => {
  const own = await startTestServer();
  const host = await own.enroll();
  const read = watch(await own.open('/agent/v1/feed', { identity: host.identity }));
  const unread = await own.open('/api/v1/events', { key: own.adminKey });
  const { deps } = own.server;
  assert.equal(deps.isDraining(), false);
  const started = Date.now();
  const stopped = own.stop();
  assert.equal(deps.isDraining(), true);
  await stopped;
  assert.ok(Date.now() - started < 5000);
  await until('the streams end', { seconds: 5 }, () => read.isClosed());
  unread.destroy();
});
