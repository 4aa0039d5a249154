import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { parseAddress } from '../../../shared/net/address.ts';
import { makeAnswer } from '../../../server/reflector/packet.ts';
import { type ReflectorOptions, openReflector } from '../../../server/reflector/reflector.ts';
import { until } from '../../support/wait.ts';
import { type Asker, makeAsk, openAsker } from './support.ts';

const quiet = { debug: () => undefined, warn: () => undefined };

async function open(t: TestContext, options: Partial<ReflectorOptions> = {}) {
  const reflector = await openReflector({ at: { host: '127.0.0.1', port: 0 }, log: quiet, ...options });
  t.after(() => reflector.close());
  return reflector;
}

const came = (asker: Asker, count: number): Promise<unknown> =>
  until(`${count} answers`, { seconds: 5 }, () => asker.answers.length >= count);

const id = (text: string): Buffer => Buffer.from(text.padEnd(8, '.'));

for (const [family, host] of [
  ['IPv4', '127.0.0.1'],
  ['IPv6', '::1'],
] as const) {
  test(`who asks by ${family} is told the address and port the ask came from`, async (t) => {
    const { port } = await open(t, { at: { host, port: 0 } });
    const asker = await openAsker(t, host);
    await asker.send(makeAsk(id('one')), { address: host, port });
    await came(asker, 1);
    const bytes = makeAnswer(id('one'), parseAddress(host), asker.port);
    assert.deepEqual(asker.answers, [{ bytes, from: `${host} ${port}` }]);
  });
}

test('one socket for both families tells an IPv4 address as IPv4', async (t) => {
  const { port } = await open(t, { at: { host: '::', port: 0 }, addresses: () => [] });
  for (const host of ['127.0.0.1', '::1']) {
    const asker = await openAsker(t, host);
    await asker.send(makeAsk(id('both')), { address: host, port });
    await came(asker, 1);
    assert.deepEqual(asker.answers[0]?.bytes, makeAnswer(id('both'), parseAddress(host), asker.port));
  }
});

test('the answer comes from the address that was asked, also where the machine has several', async (t) => {
  const addresses = (): string[] => ['127.0.0.2', '127.0.0.3', '192.0.2.77'];
  const { port } = await open(t, { at: { host: '0.0.0.0', port: 0 }, addresses });
  for (const address of ['127.0.0.2', '127.0.0.3']) {
    const asker = await openAsker(t);
    // Until its own socket is there, the one for all answers: from 127.0.0.1.
    await until(`an answer from ${address}`, { seconds: 5 }, async () => {
      await asker.send(makeAsk(id('which')), { address, port });
      return asker.answers.some(({ from }) => from === `${address} ${port}`);
    });
  }
});

test('nothing but an ask is answered, and what is no ask does no harm', async (t) => {
  const counts = { answered: 0, refused: 0 };
  const count = (isAnswered: boolean): void => void (counts[isAnswered ? 'answered' : 'refused'] += 1);
  const { port } = await open(t, { count });
  const to = { address: '127.0.0.1', port };
  const asker = await openAsker(t);
  const ask = makeAsk(id('x'));
  const others = [
    Buffer.alloc(0),
    Buffer.from('WRR1'),
    ask.subarray(0, 63),
    Buffer.concat([ask, ask]),
    Buffer.alloc(1400, 1),
    makeAnswer(id('x'), parseAddress('192.0.2.1'), 9),
    Buffer.concat([Buffer.from('WRP1'), ask.subarray(4)]),
  ];
  for (const bytes of others) await asker.send(bytes, to);
  await until('all were looked at', { seconds: 5 }, () => counts.refused === others.length);
  await asker.send(makeAsk(id('last')), to);
  await came(asker, 1);
  assert.deepEqual(asker.answers[0]?.bytes.subarray(8, 16), id('last'));
  assert.deepEqual([asker.answers.length, counts.answered], [1, 1]);
});

test('who asks more often than he may gets no more answers, and others get theirs', async (t) => {
  const counts = { answered: 0, refused: 0 };
  const count = (isAnswered: boolean): void => void (counts[isAnswered ? 'answered' : 'refused'] += 1);
  const { port } = await open(t, { count, limits: { perSource: 3, inAll: 1000 } });
  const to = { address: '127.0.0.1', port };
  const asker = await openAsker(t);
  const wasAsked = 50;
  const begun = performance.now();
  for (let i = 0; i < wasAsked; i += 1) await asker.send(makeAsk(id(String(i))), to);
  await until('all were looked at', { seconds: 10 }, () => counts.answered + counts.refused === wasAsked);
  const windows = Math.floor((performance.now() - begun) / 1000) + 2;
  assert.ok(counts.answered <= 3 * windows, `${counts.answered} answers`);
  const other = await openAsker(t, '127.0.0.9');
  await other.send(makeAsk(id('other')), to);
  await came(other, 1);
});

test('a port that is taken is an error, and closing gives the port back', async (t) => {
  const socket = createSocket('udp4');
  socket.bind({ address: '127.0.0.1', port: 0 });
  await once(socket, 'listening');
  const { port } = socket.address();
  const at = { host: '127.0.0.1', port };
  await assert.rejects(openReflector({ at, log: quiet }), { code: 'EADDRINUSE' });
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  await (await openReflector({ at, log: quiet })).close();
  await open(t, { at });
});
