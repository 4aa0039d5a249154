import assert from 'node:assert/strict';
import { X509Certificate, createHash, randomBytes } from 'node:crypto';
import { Agent, request } from 'node:https';
import test, { after, before } from 'node:test';
import { connect } from 'node:tls';
import { loadOrCreateAuthority } from '../../../server/pki/authority.ts';
import { serverUri } from '../../../server/pki/signer.ts';
import { buildCsr } from '../pki/csr-builder.ts';
import { createMemoryKeys } from '../pki/memory-keys.ts';
import { type Identity, type TestServer, newWireGuardKey, startTestServer } from './test-server.ts';

const day = 86_400_000;
let running: TestServer;
let offset = 0;
const clock = { now: () => Date.now() + offset };
before(async () => {
  running = await startTestServer({ clock });
});
after(() => running.stop());

const renewal = () => ({ csr: buildCsr('P-256').csr, publicKey: newWireGuardKey() });

async function codeOf(path: string, identity: Identity, method = 'GET', body?: unknown): Promise<string> {
  const answer = await running.ask(path, { method, identity, ...(body === undefined ? {} : { body }) });
  return `${answer.status} ${(answer.json['code'] as string | undefined) ?? ''}`.trim();
}

test('the handshake shows a chain that ends at the pinned CA, and the server by its URI name', async () => {
  const { port, deps } = running.server;
  const socket = connect({ host: '127.0.0.1', port, ca: running.ca });
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  assert.equal(socket.authorized, true);
  assert.equal(socket.getProtocol(), 'TLSv1.3');
  const leaf = socket.getPeerCertificate(true);
  const pin = (raw: Buffer): string => {
    const spki = new X509Certificate(raw).publicKey.export({ type: 'spki', format: 'der' });
    return createHash('sha256').update(spki).digest('base64');
  };
  assert.equal(pin(leaf.raw), deps.authority.serverPin);
  assert.equal(pin(leaf.issuerCertificate.raw), deps.authority.caPin);
  assert.match(leaf.subjectaltname ?? '', new RegExp(`URI:${serverUri}`));
  socket.destroy();
});

test('TLS 1.2 is refused', async () => {
  const socket = connect({ host: '127.0.0.1', port: running.server.port, ca: running.ca, maxVersion: 'TLSv1.2' });
  await assert.rejects(
    new Promise((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    }),
  );
});

test('a certificate of another authority is refused, also for the id of a host, valid or expired', async () => {
  const host = await running.enroll();
  const other = await loadOrCreateAuthority({ keys: createMemoryKeys(), clock, random: randomBytes });
  for (const now of [Date.now(), Date.now() - 10 * day]) {
    const { csr, privateKey } = buildCsr('P-256');
    const { pem: cert } = other.issueHostCertificate({ hostId: host.id, csrPem: csr, now });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    assert.equal(await codeOf('/agent/v1/feed', { cert, key }), '401 certificate-invalid');
    assert.equal(await codeOf('/agent/v1/renew', { cert, key }, 'POST', renewal()), '401 certificate-invalid');
  }
});

test('a certificate that the CA signed but the server did not record is refused', async () => {
  const host = await running.enroll();
  const { csr, privateKey } = buildCsr('P-256');
  const issued = running.server.deps.authority.issueHostCertificate({ hostId: host.id, csrPem: csr, now: Date.now() });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  assert.equal(await codeOf('/agent/v1/feed', { cert: issued.pem, key }), '401 certificate-invalid');
});

test('a removed host is told that it was removed', async () => {
  const host = await running.enroll();
  await running.ask(`/api/v1/hosts/${host.id}`, { method: 'DELETE', key: running.adminKey });
  assert.equal(await codeOf('/agent/v1/feed', host.identity), '410 host-removed');
});

test('an expired certificate serves for renewal alone, and for 30 days', async (t) => {
  t.after(() => {
    offset = 0;
  });
  const [host, late] = [await running.enroll(), await running.enroll()];
  offset = 8 * day;
  assert.equal(await codeOf('/agent/v1/feed', host.identity), '401 certificate-invalid');
  const { csr } = buildCsr('P-256', { key: host.privateKey });
  const body = { csr, publicKey: host.publicKey };
  assert.equal(await codeOf('/agent/v1/renew', host.identity, 'POST', body), '200');
  offset = 38 * day;
  assert.equal(await codeOf('/agent/v1/renew', late.identity, 'POST', renewal()), '401 certificate-invalid');
});

test('a kept-alive connection loses access with the host', async () => {
  const host = await running.enroll();
  const { port } = running.server;
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: running.ca, ...host.identity });
  const ask = (): Promise<{ status: number; isReused: boolean }> =>
    new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, path: '/agent/v1/report', method: 'POST', agent }, (response) => {
        response.resume().once('end', () => {
          resolve({ status: response.statusCode ?? 0, isReused: sent.reusedSocket });
        });
      });
      sent.once('error', reject).end();
    });
  assert.equal((await ask()).status, 400);
  await running.ask(`/api/v1/hosts/${host.id}/disable`, { method: 'POST', key: running.adminKey });
  const again = await ask();
  assert.deepEqual(again, { status: 403, isReused: true });
  agent.destroy();
});

test('a resumed session still says which host it is', async () => {
  const host = await running.enroll();
  const options = { host: '127.0.0.1', port: running.server.port, ca: running.ca, ...host.identity };
  const talk = (session?: Buffer): Promise<{ text: string; session: Buffer; isReused: boolean }> =>
    new Promise((resolve, reject) => {
      const socket = connect({ ...options, ...(session === undefined ? {} : { session }) });
      let ticket: Buffer = Buffer.alloc(0);
      let text = '';
      let isReused = false;
      socket.once('secureConnect', () => (isReused = socket.isSessionReused()));
      socket.on('session', (given: Buffer) => (ticket = given));
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
      socket.once('error', reject);
      socket.once('close', () => {
        resolve({ text, session: ticket, isReused });
      });
      socket.write('POST /agent/v1/report HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    });
  const first = await talk();
  assert.match(first.text, /^HTTP\/1.1 400 /);
  const second = await talk(first.session);
  assert.equal(second.isReused, true);
  assert.match(second.text, /^HTTP\/1.1 400 /);
  await running.ask(`/api/v1/hosts/${host.id}/disable`, { method: 'POST', key: running.adminKey });
  // A resumed connection brings no new ticket; the first one stays good for a day.
  const third = await talk(first.session);
  assert.equal(third.isReused, true);
  assert.match(third.text, /^HTTP\/1.1 403 /);
});

test('keys that are revoked, expired, cut short or of another server do nothing', async () => {
  const { ask, adminKey } = running;
  const good = await running.makeKey('read');
  assert.equal((await ask('/api/v1/hosts', { key: good })).status, 200);
  const id = good.split('_')[1] ?? '';
  for (const key of [
    good.slice(0, -1),
    `${good}a`,
    good.replace(id, 'kaaaaaaaaaaaaaaaa'),
    '',
    'wrn_',
    good.toUpperCase(),
  ]) {
    assert.equal((await ask('/api/v1/hosts', { key })).status, 401, key);
  }
  await ask(`/api/v1/keys/${id}`, { method: 'DELETE', key: adminKey });
  assert.equal((await ask('/api/v1/hosts', { key: good })).status, 401);
});
