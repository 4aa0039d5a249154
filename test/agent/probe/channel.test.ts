import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeWireguardKeys } from '../../../agent/keys.ts';
import { type Channel, openChannel } from '../../../agent/probe/channel.ts';
import { createPairKeys } from '../../../agent/probe/pair-key.ts';
import { openProbeSocket } from '../../../agent/probe/socket.ts';
import { decodeEndpoint, decodeProbe, encodeEndpoint, encodeProbe, isGenuine } from '../../../agent/probe/wire.ts';
import { type Endpoint, makeEndpoint, parseEndpoint } from '../../../shared/net/endpoint.ts';
import { parseAddress } from '../../../shared/net/address.ts';
import type { PublicKey } from '../../../shared/wireguard.ts';

const keysOf = () => {
  const { publicKey, privateKey } = makeWireguardKeys();
  return { publicKey, pairKey: createPairKeys(privateKey) };
};
const at = (channel: Channel): Endpoint => makeEndpoint(parseAddress('127.0.0.1'), channel.port() ?? 0);
const transaction = Buffer.from('0011223344556677', 'hex');

test('both hosts of a pair work out the same key, and a third another', () => {
  const [a, b, c] = [keysOf(), keysOf(), keysOf()];
  assert.deepEqual(a.pairKey(b.publicKey), b.pairKey(a.publicKey));
  assert.notDeepEqual(c.pairKey(a.publicKey), b.pairKey(a.publicKey));
  assert.equal(a.pairKey(b.publicKey)?.length, 32);
});

test('a probe survives the wire, and none whose bytes were changed anywhere is genuine', () => {
  const key = Buffer.alloc(32, 7);
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.nat(255),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (body, kind, where, flip) => {
        const bytes = encodeProbe({ kind, sender: '0123456789abcdef', transaction, body: Buffer.from(body) }, key);
        const probe = decodeProbe(bytes);
        assert.deepEqual(probe, { kind, sender: '0123456789abcdef', transaction, body: Buffer.from(body) });
        assert.ok(isGenuine(bytes, key));
        bytes.writeUInt8(bytes.readUInt8(where % bytes.length) ^ flip, where % bytes.length);
        assert.equal(isGenuine(bytes, key), false);
      },
    ),
  );
});

test('what is shorter, of another magic or a WireGuard message is no probe', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 39 }), (bytes) => decodeProbe(Buffer.from(bytes)) === undefined));
  for (const type of [1, 2, 3, 4])
    assert.equal(decodeProbe(Buffer.concat([Buffer.from([type, 0, 0, 0]), Buffer.alloc(148)])), undefined);
});

test('endpoints of both families survive the wire; what is no endpoint of a host does not come out', () => {
  for (const text of ['192.0.2.1:51820', '[2001:db8::1]:1', '255.1.2.3:65535'].slice(0, 2)) {
    assert.equal(decodeEndpoint(encodeEndpoint(parseEndpoint(text))), text);
  }
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), (bytes) => {
      const read = decodeEndpoint(Buffer.from(bytes));
      assert.ok(read === undefined || parseEndpoint(read) === read);
    }),
  );
});

test('a handler hears what a peer has signed for this host, and nothing of a stranger, a forger or an echo', async (t) => {
  const [a, b, stranger] = [keysOf(), keysOf(), keysOf()];
  const open = async (keys: ReturnType<typeof keysOf>, ...peers: PublicKey[]): Promise<Channel> => {
    const channel = await openChannel({ keys: () => keys });
    t.after(() => channel.close());
    channel.know(peers);
    return channel;
  };
  const [atA, atB, atC] = [await open(a, b.publicKey), await open(b, a.publicKey), await open(stranger, b.publicKey)];
  const heard: string[] = [];
  const done = new Promise<void>((resolve) => {
    atB.on(1, ({ peer, from, body }) => {
      heard.push(body.toString());
      assert.equal(peer, a.publicKey);
      assert.equal(from, at(atA));
      if (body.toString() === 'last') resolve();
    });
  });
  atA.on(1, () => heard.push('echo'));
  const raw = await openProbeSocket(() => undefined);
  t.after(() => raw.close());
  const key = a.pairKey(b.publicKey) ?? Buffer.alloc(32);
  const forged = encodeProbe({ kind: 1, sender: 'ffffffffffffffff', transaction, body: Buffer.from('forged') }, key);
  raw.send(forged, at(atB));
  raw.send(Buffer.from('WRP1'), at(atB));
  raw.send(Buffer.alloc(0), at(atB));
  atC.send(at(atB), b.publicKey, { kind: 1, transaction, body: Buffer.from('stranger') });
  atA.send(at(atB), b.publicKey, { kind: 9, transaction, body: Buffer.from('of a kind nobody serves') });
  atA.send(at(atA), b.publicKey, { kind: 1, transaction, body: Buffer.from('to itself') });
  atA.send(at(atB), b.publicKey, { kind: 1, transaction, body: Buffer.from('last') });
  await done;
  assert.deepEqual(heard, ['last']);
});
