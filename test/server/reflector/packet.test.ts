import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress, parseAddress } from '../../../shared/net/address.ts';
import { createLimit } from '../../../server/reflector/limit.ts';
import { makeAnswer, readAsk } from '../../../server/reflector/packet.ts';
import { makeAsk } from './support.ts';

const transaction = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes));
const address = fc.oneof(
  fc.bigInt(0n, 2n ** 32n - 1n).map((value) => formatAddress({ family: 4, value })),
  fc.bigInt(2n ** 64n, 2n ** 128n - 1n).map((value) => formatAddress({ family: 6, value })),
);
const port = fc.integer({ min: 1, max: 65535 });

test('an ask gives its transaction, and a packet that differs from one in any other byte gives nothing', () => {
  fc.assert(
    fc.property(transaction, fc.nat(63), fc.integer({ min: 1, max: 255 }), (id, at, change) => {
      const ask = makeAsk(id);
      assert.deepEqual(readAsk(ask), id);
      const other = Buffer.from(ask);
      other.writeUInt8(other.readUInt8(at) ^ change, at);
      assert.equal(readAsk(other) === undefined, at < 8 || at >= 16);
    }),
  );
});

test('a packet of another length is no ask', () => {
  const ask = makeAsk(Buffer.alloc(8, 7));
  for (const bytes of [Buffer.alloc(0), ask.subarray(0, 63), Buffer.concat([ask, Buffer.alloc(1)])]) {
    assert.equal(readAsk(bytes), undefined);
  }
});

test('an answer is as long as an ask, says where the ask came from, and is itself never answered', () => {
  fc.assert(
    fc.property(transaction, address, port, (id, source, number) => {
      const answer = makeAnswer(id, source, number);
      assert.equal(answer.length, 64);
      assert.equal(answer.toString('latin1', 0, 4), 'WRR1');
      assert.deepEqual(answer.subarray(8, 16), id);
      const family = answer.readUInt8(16) === 4 ? 4 : 6;
      const value = BigInt(`0x${answer.toString('hex', 20, family === 4 ? 24 : 36)}`);
      assert.deepEqual([formatAddress({ family, value }), answer.readUInt16BE(18)], [source, number]);
      assert.equal(readAsk(answer), undefined);
    }),
  );
});

test('a source gets so many answers a second, others their own, all together no more than the whole', () => {
  const mayAnswer = createLimit({ perSource: 2, inAll: 5 });
  const [a, b, c] = ['192.0.2.1', '192.0.2.2', '2001:db8::1'].map(parseAddress) as [never, never, never];
  const neighbour = parseAddress('2001:db8::2');
  const ask = (...sources: (typeof neighbour)[]): boolean[] => sources.map((source) => mayAnswer(source, 10));
  assert.deepEqual(ask(a, a, a, b), [true, true, false, true]);
  assert.deepEqual(ask(c, neighbour, b), [true, true, false], 'the fifth was the last');
  assert.equal(mayAnswer(a, 1009.9), false);
  assert.equal(mayAnswer(a, 1010), true);
});

test('an IPv6 source is its whole /64', () => {
  const mayAnswer = createLimit({ perSource: 1, inAll: 5 });
  assert.equal(mayAnswer(parseAddress('2001:db8::1'), 0), true);
  assert.equal(mayAnswer(parseAddress('2001:db8::ffff:1'), 0), false);
  assert.equal(mayAnswer(parseAddress('2001:db8:0:1::1'), 0), true);
});
