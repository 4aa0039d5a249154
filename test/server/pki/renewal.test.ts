import assert from 'node:assert/strict';
import { X509Certificate, createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type TLSSocket, connect } from 'node:tls';
import { pino } from 'pino';
import { loadOrCreateAuthority } from '../../../server/pki/authority.ts';
import { serverCertificateLifetime } from '../../../server/pki/signer.ts';
import { keepCredentialsFresh } from '../../../server/pki/server-credentials.ts';
import { tlsOptions } from '../../../server/pki/tls.ts';
import { until } from '../../support/wait.ts';
import { createMemoryKeys } from './memory-keys.ts';

const day = 86_400_000;

/** An HTTPS listener with the server's credentials, looked at every few milliseconds, and its clock. */
async function startListener(t: TestContext) {
  let skew = 0;
  const clock = { now: () => Date.now() + skew };
  const authority = await loadOrCreateAuthority({ keys: createMemoryKeys(), clock, random: randomBytes });
  const names = { dnsNames: ['localhost'], addresses: ['127.0.0.1'] };
  const credentials = authority.serverCredentials(names);
  const server = createServer(tlsOptions({ authority }, credentials), (_, response) => response.end('here'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const log = pino({ level: 'silent' });
  const stop = keepCredentialsFresh({ authority, clock, log }, names, credentials, server, 5);
  t.after(() => {
    stop();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const open = async (session?: Buffer): Promise<TLSSocket> => {
    const resumed = session === undefined ? {} : { session };
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...resumed });
    t.after(() => socket.destroy());
    await once(socket, 'secureConnect');
    return socket;
  };
  return { open, authority, later: (ms: number) => void (skew += ms) };
}

async function ask(socket: TLSSocket): Promise<string> {
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk.toString('utf8');
}

const leafOf = (socket: TLSSocket): X509Certificate => new X509Certificate(socket.getPeerCertificate().raw);

function pinOf({ publicKey }: X509Certificate): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
}

test('the certificate is renewed while the server runs: same key, same CA, connections and sessions go on', async (t) => {
  const { open, authority, later } = await startListener(t);
  const before = await open();
  const sessions: Buffer[] = [];
  before.on('session', (session: Buffer) => sessions.push(session));
  const first = leafOf(before);
  assert.match(await ask(before), /here/);
  later(serverCertificateLifetime / 3);
  assert.equal(leafOf(await open()).serialNumber, first.serialNumber, 'nothing is renewed early');
  later(serverCertificateLifetime / 3 + day);
  const fresh = await until('a new certificate', { seconds: 10, everyMilliseconds: 10 }, async () => {
    const leaf = leafOf(await open());
    return leaf.serialNumber !== first.serialNumber && leaf;
  });
  assert.equal(pinOf(fresh), pinOf(first));
  assert.equal(pinOf(fresh), authority.serverPin);
  assert.ok(fresh.verify(new X509Certificate(authority.caPem).publicKey));
  assert.equal(fresh.subjectAltName, first.subjectAltName);
  assert.ok(Date.parse(fresh.validTo) - Date.parse(first.validTo) > 60 * day);
  assert.match(await ask(before), /here/);
  const again = await open(sessions.at(-1));
  assert.equal(again.isSessionReused(), true);
  assert.match(await ask(again), /here/);
});

test('the certificate is renewed again and again', async (t) => {
  const { open, later } = await startListener(t);
  const serials = new Set([leafOf(await open()).serialNumber]);
  for (let round = 2; round <= 4; round += 1) {
    later((serverCertificateLifetime * 2) / 3 + day);
    await until('the next certificate', { seconds: 10, everyMilliseconds: 10 }, async () => {
      serials.add(leafOf(await open()).serialNumber);
      return serials.size === round;
    });
  }
});

test('a certificate made while the clock was ahead is replaced once the clock is right', async (t) => {
  const { open, later } = await startListener(t);
  const isValidNow = async (): Promise<boolean> => Date.parse(leafOf(await open()).validFrom) <= Date.now();
  later(80 * day);
  await until('one from the future', { seconds: 10 }, async () => !(await isValidNow()));
  later(-80 * day);
  await until('one of today', { seconds: 10 }, isValidNow);
});
