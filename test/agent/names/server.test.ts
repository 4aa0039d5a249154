import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { test } from 'node:test';
import packet from 'dns-packet';
import { type Listener, type Respond, listenOn } from '../../../agent/names/server.ts';
import { createUpstream, framed } from '../../../agent/names/upstream.ts';
import { parseAddress } from '../../../shared/net/address.ts';

const address = parseAddress('127.0.0.1');
const query = packet.encode({ type: 'query', id: 7, questions: [{ type: 'A', name: 'example.org' }] });

/** A port that was free a moment ago, so tried again where somebody else was quicker. */
async function listenAnywhere(respond: Respond): Promise<{ port: number; listener: Listener }> {
  for (let left = 20; ; left -= 1) {
    const port = 20_000 + Math.floor(Math.random() * 40_000);
    try {
      return { port, listener: await listenOn(address, port, respond) };
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}

const askUdp = (port: number, bytes: Buffer): Promise<Buffer> =>
  new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('message', (reply) => {
      socket.close();
      resolve(reply);
    });
    socket.send(bytes, port, address);
  });

/** What came until the other side closed, or until a whole message was there. */
const askTcp = (port: number, bytes: Buffer): Promise<Buffer> =>
  new Promise((resolve) => {
    const socket = connect(port, address, () => socket.write(framed(bytes)));
    let got = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      got = Buffer.concat([got, chunk]);
      if (got.length >= 2 && got.length >= 2 + got.readUInt16BE(0)) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(got.subarray(2)));
  });

test('a question whose answer fails costs that answer alone, over UDP and TCP', async () => {
  const asked: string[] = [];
  const { port, listener } = await listenAnywhere((bytes, _from, isTcp) => {
    asked.push(isTcp ? 'tcp' : 'udp');
    return bytes[0] === 0xff ? Promise.reject(new Error('it failed')) : Promise.resolve(bytes);
  });
  const bad = Buffer.from(query).fill(0xff, 0, 1);
  try {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.send(bad, port, address, () => resolve()));
    socket.close();
    assert.deepEqual(await askUdp(port, query), query);
    assert.equal((await askTcp(port, bad)).length, 0);
    assert.deepEqual(await askTcp(port, query), query);
    assert.deepEqual(asked, ['udp', 'udp', 'tcp', 'tcp']);
  } finally {
    listener.close();
  }
});

test('an answer that is longer than a message over TCP may be ends the connection and nothing else', async () => {
  const { port, listener } = await listenAnywhere((bytes, _from, isTcp) =>
    Promise.resolve(isTcp ? Buffer.alloc(70_000) : bytes),
  );
  try {
    assert.equal((await askTcp(port, query)).length, 0);
    assert.deepEqual(await askUdp(port, query), query);
  } finally {
    listener.close();
  }
});

test('a server that this machine cannot send to gives way to the next', async () => {
  const { port, listener } = await listenAnywhere((bytes) => {
    const reply = Buffer.from(bytes);
    reply.writeUInt8(0x80, 2);
    return Promise.resolve(reply);
  });
  try {
    // Multicast over TCP and the broadcast address over UDP are refused by every kernel, whatever its routes.
    for (const [unreachable, isTcp] of [
      ['255.255.255.255', false],
      ['224.0.0.1', true],
    ] as const) {
      const reply = await createUpstream(port).ask(query, [unreachable, address], isTcp);
      assert.deepEqual(reply?.subarray(0, 2), query.subarray(0, 2));
    }
    assert.equal(await createUpstream(port).ask(query, ['255.255.255.255'], false), undefined);
  } finally {
    listener.close();
  }
});
