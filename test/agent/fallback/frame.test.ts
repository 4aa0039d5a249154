import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  beat,
  createFrameReader,
  encodeFrame,
  isBeat,
  isBetweenHosts,
  mostPayloadBytes,
} from '../../../agent/fallback/frame.ts';
import { mostWaitingBytes, openLink } from '../../../agent/fallback/link.ts';
import { readListenAt } from '../../../agent/fallback/listen-at.ts';
import { encodeProbe, probeKinds } from '../../../agent/probe/wire.ts';
import { relayKinds } from '../../../agent/relay/wire.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const peer = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const payload = fc
  .tuple(fc.constantFrom(0, 1, 148, 1452, mostPayloadBytes), fc.nat(255))
  .map(([length, fill]) => Buffer.alloc(length, fill));
const frames = fc.array(
  fc.tuple(peer, payload).map(([id, bytes]) => ({ peer: id, payload: bytes })),
  { maxLength: 8 },
);

test('frames come out as they went in, however the stream is cut', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1, maxLength: 8 }), (sent, sizes) => {
      const bytes = Buffer.concat(sent.map(encodeFrame));
      const read = createFrameReader();
      const got = [];
      for (let at = 0, i = 0; at < bytes.length; i += 1) {
        const size = sizes[i % sizes.length] ?? 1;
        got.push(...read(bytes.subarray(at, at + size)));
        at += size;
      }
      assert.deepEqual(got, sent);
    }),
    { numRuns: 50 },
  );
});

test('a frame that is longer than any packet is refused before the rest of it comes', () => {
  const head = Buffer.alloc(10);
  head.writeUInt16BE(mostPayloadBytes + 1, 0);
  assert.throws(() => createFrameReader()(head), /longer than 9072/);
});

test('a beat is a frame of nobody and nothing', () => {
  const [frame] = createFrameReader()(beat);
  assert.ok(frame !== undefined && isBeat(frame));
});

test('WireGuard messages and the probes of two hosts are passed on, nothing else', () => {
  const transaction = Buffer.alloc(8);
  const probe = (kind: number): Buffer =>
    encodeProbe({ kind, sender: '0'.repeat(16), transaction, body: Buffer.alloc(28) }, Buffer.alloc(32));
  for (const kind of [1, 2, 3, 4]) assert.ok(isBetweenHosts(Buffer.from([kind, 0, 0, 0, 0, 0, 0, 0])));
  for (const kind of Object.values(probeKinds)) assert.ok(isBetweenHosts(probe(kind)));
  for (const kind of Object.values(relayKinds)) assert.ok(!isBetweenHosts(probe(kind)));
  for (const bytes of [
    [],
    [1, 0, 0, 0],
    [5, 0, 0, 0, 0, 0, 0, 0],
    [4, 1, 0, 0, 0, 0, 0, 0],
    [...Buffer.from('GET / HTTP')],
  ])
    assert.ok(!isBetweenHosts(Buffer.from(bytes)));
});

/** A stream of which nobody reads what is written. */
const stuck = (): Duplex => new Duplex({ read: () => undefined, write: () => undefined, highWaterMark: 1 });

test('a stream that does not drain keeps a bounded queue and drops the rest', () => {
  const stream = stuck();
  const link = openLink(stream, createFakeClock(), { onFrame: () => undefined, onClose: () => undefined });
  const results = Array.from({ length: 1000 }, () => link.send('00'.repeat(8), Buffer.alloc(1400)));
  assert.ok(results.includes(true) && results.at(-1) === false);
  assert.ok(stream.writableLength <= mostWaitingBytes + 10, `${stream.writableLength}`);
  link.close();
  assert.equal(link.send('00'.repeat(8), Buffer.alloc(10)), false);
});

test('a stream on which nothing comes any more ends, and so does one that lost its place', async () => {
  const clock = createFakeClock();
  let closed = 0;
  const onClose = (): void => void (closed += 1);
  const silent = stuck();
  openLink(silent, clock, { onFrame: () => undefined, onClose });
  await clock.advance(10_000);
  assert.equal(closed, 0);
  silent.push(beat);
  await clock.advance(15_000);
  assert.equal(closed, 0, 'a beat came meanwhile');
  await clock.advance(20_000);
  assert.equal(closed, 1);
  const broken = stuck();
  openLink(broken, clock, { onFrame: () => undefined, onClose });
  broken.push(Buffer.alloc(20, 0xff));
  await clock.advance(0);
  assert.equal(closed, 2);
  assert.ok(silent.destroyed && broken.destroyed);
});

test('a listener is an address and a port of this host, or all of its addresses', () => {
  assert.deepEqual(readListenAt('0.0.0.0:443'), { address: '0.0.0.0', port: 443 });
  assert.deepEqual(readListenAt('[::]:8443'), { address: '::', port: 8443 });
  for (const text of ['443', ':443', '10.1:443', 'host:443', '0.0.0.0:0', '0.0.0.0:65536', '::1:443', '[::1]'])
    assert.equal(readListenAt(text), undefined, text);
});
