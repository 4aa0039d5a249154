import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeWireguardKeys } from '../../../agent/keys.ts';
import { type ExchangeEvents, newTransaction, startExchange } from '../../../agent/paths/exchange.ts';
import { startReflector } from '../../../agent/paths/reflector.ts';
import { type Channel, openChannel } from '../../../agent/probe/channel.ts';
import { createPairKeys } from '../../../agent/probe/pair-key.ts';
import { openProbeSocket } from '../../../agent/probe/socket.ts';
import { encodeEndpoint } from '../../../agent/probe/wire.ts';
import { parseAddress } from '../../../shared/net/address.ts';
import { type Endpoint, makeEndpoint, parseEndpoint } from '../../../shared/net/endpoint.ts';
import { systemClock } from '../../../agent/clock.ts';
import { until } from '../../support/wait.ts';

const at = (port: number | undefined): Endpoint => makeEndpoint(parseAddress('127.0.0.1'), port ?? 0);
const keysOf = () => {
  const { publicKey, privateKey } = makeWireguardKeys();
  return { publicKey, pairKey: createPairKeys(privateKey) };
};

test('one exchange proves the way to both sides and tells each asker what it looks like', async (t) => {
  const [a, b] = [keysOf(), keysOf()];
  const told: string[] = [];
  const listen = (name: string): ExchangeEvents => ({
    onPing: (_, from, isSeeking) => told.push(`${name} pinged from ${from}, seeking ${isSeeking}`),
    onPong: (_, from, transaction, mapped) => told.push(`${name} ponged from ${from} ${transaction} as ${mapped}`),
    onAck: (_, from) => told.push(`${name} acked from ${from}`),
  });
  const channels: Channel[] = [];
  for (const keys of [a, b]) channels.push(await openChannel({ keys: () => keys }));
  t.after(() => channels.forEach((channel) => channel.close()));
  const [atA, atB] = channels;
  assert.ok(atA !== undefined && atB !== undefined);
  atA.know([b.publicKey]);
  atB.know([a.publicKey]);
  const exchange = startExchange(atA, listen('a'));
  startExchange(atB, listen('b'));
  const transaction = newTransaction();
  exchange.ping(b.publicKey, at(atB.port()), transaction, { isSeeking: true });
  await until('the exchange is over', { seconds: 10, everyMilliseconds: 5 }, () => told.length === 3);
  assert.deepEqual(told, [
    `b pinged from ${at(atA.port())}, seeking true`,
    `a ponged from ${at(atB.port())} ${transaction} as ${at(atA.port())}`,
    `b acked from ${at(atA.port())}`,
  ]);
});

test('nobody is sent more bytes than came from there', async (t) => {
  const [a, b] = [keysOf(), keysOf()];
  const atB = await openChannel({ keys: () => b });
  t.after(() => atB.close());
  atB.know([a.publicKey]);
  startExchange(atB, { onPing: () => undefined, onPong: () => undefined, onAck: () => undefined });
  const sizes: number[] = [];
  const pinged: number[] = [];
  const atA = await openChannel({
    keys: () => a,
    open: async (onReceived) => {
      const socket = await openProbeSocket((bytes, from) => {
        sizes.push(bytes.length);
        onReceived(bytes, from);
      });
      return { ...socket, send: (bytes, to) => (pinged.push(bytes.length), socket.send(bytes, to)) };
    },
  });
  t.after(() => atA.close());
  const silent = { onPing: () => undefined, onPong: () => undefined, onAck: () => undefined };
  const exchange = startExchange(atA, silent);
  exchange.ping(b.publicKey, at(atB.port()), newTransaction(), { isSeeking: false });
  await until('the answer came', { seconds: 10, everyMilliseconds: 5 }, () => sizes.length > 0);
  assert.deepEqual(sizes, pinged);
});

test('the reflector is believed only where it was asked and for what it was asked', async (t) => {
  const keys = keysOf();
  const channel = await openChannel({ keys: () => keys });
  t.after(() => channel.close());
  const mapped = parseEndpoint('203.0.113.9:4000');
  const answerTo = (ask: Buffer, transaction = ask.subarray(8, 16)): Buffer => {
    const bytes = Buffer.alloc(64);
    bytes.write('WRR1');
    bytes.writeUInt8(2, 4);
    transaction.copy(bytes, 8);
    encodeEndpoint(mapped).copy(bytes, 16);
    return bytes;
  };
  const stranger = await openProbeSocket(() => undefined);
  const server = await openProbeSocket((ask, from) => {
    assert.equal(ask.length, 64);
    stranger.send(answerTo(ask), from);
    server.send(answerTo(ask, Buffer.alloc(8)), from);
    server.send(answerTo(ask).subarray(0, 63), from);
    server.send(answerTo(ask), from);
    server.send(answerTo(ask), from);
  });
  t.after(() => (stranger.close(), server.close()));
  const seen: string[] = [];
  const reflector = startReflector({
    channel,
    clock: systemClock,
    server: () => at(server.port),
    onSight: (observer, sight) => seen.push(`${observer} ${sight}`),
  });
  t.after(() => reflector.stop());
  await until('the answer counts', { seconds: 10, everyMilliseconds: 5 }, () => seen.length > 0);
  assert.deepEqual(seen, [`${at(server.port)} ${mapped}`]);
});
