import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { parseAddress } from '../../../shared/net/address.ts';
import type { ServerConfig } from '../../../server/config.ts';
import { makeAnswer } from '../../../server/reflector/packet.ts';
import { enrollAgent, startServer } from '../routes/support.ts';
import { until } from '../../support/wait.ts';
import { makeAsk, openAsker } from './support.ts';

/** The reflector's port, as a host is told it. */
async function toldPort(t: TestContext, change: Partial<ServerConfig>): Promise<number | null> {
  const server = await startServer(t, change);
  const feed = await server.open('/agent/v1/feed', { agent: await enrollAgent(server, 'web-1') });
  await until('its standing', { seconds: 5 }, () => feed.frames.length > 0);
  const [frame] = feed.frames;
  return frame?.kind === 'standing' ? frame.standing.reflectorPort : assert.fail('no standing');
}

/** A UDP port that somebody else has. */
async function takePort(t: TestContext): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind({ address: '127.0.0.1', port: 0 });
  await once(socket, 'listening');
  t.after(() => socket.close());
  return socket.address().port;
}

test('a host is told the port of the server, and who asks there is answered', async (t) => {
  const server = await startServer(t, { reflector: 'on' });
  const feed = await server.open('/agent/v1/feed', { agent: await enrollAgent(server, 'web-1') });
  await until('its standing', { seconds: 5 }, () => feed.frames.length > 0);
  const [frame] = feed.frames;
  assert.deepEqual(frame?.kind === 'standing' && frame.standing.reflectorPort, server.port);
  const asker = await openAsker(t);
  const transaction = Buffer.from('12345678');
  await asker.send(makeAsk(transaction), { address: '127.0.0.1', port: server.port });
  await until('an answer', { seconds: 5 }, () => asker.answers.length > 0);
  assert.deepEqual(asker.answers[0]?.bytes, makeAnswer(transaction, parseAddress('127.0.0.1'), asker.port));
  assert.match((await server.deps.metrics.read()).text, /^warren_reflector_answers_total 1$/m);
});

test('what forwards another port to the server forwards it for UDP too: hosts are told the port of its URL', async (t) => {
  assert.equal(await toldPort(t, { reflector: 'on', url: 'https://warren.example.org:4433' }), 4433);
  assert.equal(await toldPort(t, { reflector: 'on', url: 'https://warren.example.org' }), 443);
});

test('an address of its own is told by its own port', async (t) => {
  const probe = createSocket('udp4');
  probe.bind({ address: '127.0.0.1', port: 0 });
  await once(probe, 'listening');
  const { port } = probe.address();
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  assert.equal(await toldPort(t, { reflector: { host: '127.0.0.1', port } }), port);
});

test('a host is told that there is no reflector', async (t) => {
  assert.equal(await toldPort(t, { reflector: 'off' }), null);
});

test('a port that is taken stops the start only where somebody asked for it', async (t) => {
  const port = await takePort(t);
  await assert.rejects(startServer(t, { reflector: { host: '127.0.0.1', port } }), {
    code: 'conflict',
    message: new RegExp(`127\\.0\\.0\\.1:${port} \\(UDP\\): something else listens there; choose another reflector`),
  });
  const listen = { host: '127.0.0.1', port: await takePort(t) };
  assert.equal(await toldPort(t, { listen, url: `https://127.0.0.1:${listen.port}` }), null);
});
