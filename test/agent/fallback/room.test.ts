import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { type Socket, createConnection } from 'node:net';
import { type TestContext, test } from 'node:test';
import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import { alpn, readHost, tlsContext } from '../../../agent/fallback/credentials.ts';
import { encodeFrame } from '../../../agent/fallback/frame.ts';
import { senderOf } from '../../../agent/probe/wire.ts';
import type { Credentials } from '../../../agent/state.ts';
import type { HostRecord } from '../../../shared/network-map.ts';
import { until } from '../../support/wait.ts';
import { type TestHost, credentialsOf, data, hostRecord, newAuthority, startHost, wayOf } from './support.ts';

const soon = { seconds: 20 };

/** A relay that listens on a port of its own, and two hosts that reach nobody by UDP. */
async function startThree(t: TestContext): Promise<[TestHost, TestHost, TestHost]> {
  const authority = await newAuthority();
  const begin = async (record: HostRecord, isListening = false): Promise<TestHost> =>
    startHost(t, { record, credentials: await credentialsOf(authority, record), isListening });
  const relay = await begin(hostRecord(0, { isRelay: true }), true);
  const [a, b] = [await begin(hostRecord(1)), await begin(hostRecord(2))];
  relay.fallback.stand([relay.record, a.record, b.record]);
  await until('the relay listens', soon, () => relay.fallback.port());
  const tlsPort = relay.fallback.port() ?? assert.fail('no port');
  for (const host of [a, b]) host.fallback.stand([{ ...relay.record, tlsPort }, a.record, b.record]);
  return [relay, a, b];
}

test('two hosts without UDP speak through a relay, and each of them with the relay', async (t) => {
  const [relay, a, b] = await startThree(t);
  for (const [from, to] of [
    [a, b],
    [b, a],
    [a, relay],
    [relay, a],
  ] as const) {
    const text = `from ${from.record.name} to ${to.record.name}`;
    await until(text, soon, () => {
      const way = wayOf(from, to, relay);
      if (way !== undefined) from.send(way, data(text));
      return to.got.some((one) => one.text === text);
    });
    const back = to.got.find((one) => one.text === text)?.from;
    assert.equal(back, wayOf(to, from, relay), 'it comes from where the answer goes');
  }
});

test('what is no packet between hosts, or comes from another program of this host, is not sent', async (t) => {
  const [relay, a, b] = await startThree(t);
  const way = await until('there is a way', soon, () => wayOf(a, b, relay));
  const stranger = createSocket('udp4');
  t.after(() => stranger.close());
  await until('b gets what is for it', soon, () => {
    a.send(way, data('stranger'), stranger);
    a.send(way, Buffer.from('....no message'));
    a.send(way, data('message'));
    return b.got.filter(({ text }) => text === 'message').length >= 3;
  });
  assert.deepEqual([...new Set(b.got.map(({ text }) => text))], ['message']);
});

test('a host that left the map is cut off at once, and one whose partner is not there has him called', async (t) => {
  const [relay, a, b] = await startThree(t);
  const way = await until('a has a way', soon, () => wayOf(a, b, relay));
  relay.fallback.stand([relay.record, a.record]);
  await until('b is cut off', soon, () => wayOf(b, a, relay) === undefined);
  a.send(way, data('to nobody'));
  b.fallback.stop();
  relay.fallback.stand([relay.record, a.record, b.record]);
  await until('the relay calls b', soon, () => {
    a.send(way, data('are you there'));
    return relay.knocked.includes('host-2 for host-1');
  });
  assert.ok(!b.got.some(({ text }) => text === 'to nobody'));
});

test('a host that is reached by UDP comes when a relay calls it, and not before', async (t) => {
  const authority = await newAuthority();
  const relayRecord = hostRecord(0, { isRelay: true });
  const credentials = await credentialsOf(authority, relayRecord);
  const relay = await startHost(t, { record: relayRecord, credentials, isListening: true });
  const [one, other] = [hostRecord(1), hostRecord(2)];
  relay.fallback.stand([relayRecord, one, other]);
  const tlsPort = await until('the relay listens', soon, () => relay.fallback.port());
  const told = { ...relayRecord, tlsPort };
  const own = await credentialsOf(authority, one);
  const host = await startHost(t, { record: one, credentials: own, reached: [told] });
  host.fallback.stand([told, one, other]);
  host.fallback.knocked(other.publicKey, senderOf(other.publicKey));
  host.fallback.knocked(told.publicKey, senderOf(hostRecord(5).publicKey));
  assert.equal(host.offers().size, 0, 'only relays call, and only for hosts of the map');
  host.fallback.knocked(told.publicKey, senderOf(other.publicKey));
  await until('it has a way', soon, () => host.offers().get(`${other.publicKey} ${told.name}`));
});

/** Connects as who may be refused; answers whether the relay said a word. */
function isWelcome(port: number, own: Credentials): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { ...tlsContext(own), ALPNProtocols: [alpn], host: '127.0.0.1', port, rejectUnauthorized: false };
    const socket = connect(options, () => socket.write(encodeFrame({ peer: '00'.repeat(8), payload: data('x') })));
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}

test('a foreign, expired or missing certificate and a host that is not in the map are refused', async (t) => {
  const [authority, foreign] = [await newAuthority(), await newAuthority()];
  const [record, a, b] = [hostRecord(0, { isRelay: true }), hostRecord(1), hostRecord(2)];
  const credentials = await credentialsOf(authority, record);
  const relay = await startHost(t, { record, credentials, isListening: true });
  relay.fallback.stand([record, a]);
  const port = await until('the relay listens', soon, () => relay.fallback.port());
  const own = await credentialsOf(authority, a);
  assert.equal(await isWelcome(port, own), true);
  assert.equal(await isWelcome(port, await credentialsOf(foreign, a)), false, 'another CA');
  assert.equal(await isWelcome(port, await credentialsOf(authority, b)), false, 'not in the map');
  assert.equal(
    await isWelcome(port, await credentialsOf(authority, a, Date.now() - 30 * 86_400_000)),
    false,
    'expired',
  );
  assert.equal(await isWelcome(port, { ...own, certificate: '', key: '' }), false, 'no certificate');
});

test('strangers of one address are few at a time, and in nobody’s way once they are gone', async (t) => {
  const authority = await newAuthority();
  const [record, a] = [hostRecord(0, { isRelay: true }), hostRecord(1)];
  const relay = await startHost(t, { record, credentials: await credentialsOf(authority, record), isListening: true });
  relay.fallback.stand([record, a]);
  const port = await until('the relay listens', soon, () => relay.fallback.port());
  const closed = new Set<Socket>();
  const sockets = Array.from({ length: 40 }, () => {
    const socket = createConnection({ host: '127.0.0.1', port });
    socket.on('error', () => undefined);
    socket.on('close', () => closed.add(socket));
    return socket;
  });
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  await until('those above the limit are put out', soon, () => closed.size >= 8);
  for (const socket of sockets) socket.destroy();
  const own = await credentialsOf(authority, a);
  await until('a host is taken in', soon, () => isWelcome(port, own));
});

test('what stands at a relay’s address without its certificate gets no packet', async (t) => {
  const authority = await newAuthority();
  const [record, a, b] = [hostRecord(0, { isRelay: true }), hostRecord(1), hostRecord(2)];
  // Another host of the same mesh, with a certificate that is good for itself.
  const impostor = await startHost(t, {
    record: { ...record, id: b.id },
    credentials: await credentialsOf(authority, b),
    isListening: true,
  });
  impostor.fallback.stand([impostor.record, a]);
  const tlsPort = await until('the impostor listens', soon, () => impostor.fallback.port());
  const host = await startHost(t, { record: a, credentials: await credentialsOf(authority, a) });
  host.fallback.stand([{ ...record, tlsPort }, a, { ...b, isRelay: true, tlsPort }]);
  await until('the relay that it is has a way', soon, () => host.offers().get(`${record.publicKey} ${b.name}`));
  assert.ok(
    [...host.offers().keys()].every((key) => key.endsWith(` ${b.name}`)),
    [...host.offers().keys()].join(),
  );
});

test('a certificate is a host’s where the CA signed it, it is valid, and it names one host alone', async () => {
  const authority = await newAuthority();
  const record = hostRecord(1);
  const ca = new X509Certificate(authority.caPem);
  const now = Date.now();
  const certificate = new X509Certificate((await credentialsOf(authority, record, now)).certificate);
  const expiresAt = Date.parse(certificate.validTo);
  assert.deepEqual(readHost(certificate, ca, now), { id: record.id, expiresAt });
  assert.equal(readHost(certificate, ca, expiresAt), undefined);
  assert.equal(readHost(certificate, ca, now - 365 * 86_400_000), undefined);
  assert.equal(readHost(certificate, new X509Certificate((await newAuthority()).caPem), now), undefined);
  assert.equal(readHost(ca, ca, now), undefined, 'the CA is no host');
});
