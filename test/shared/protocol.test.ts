import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { diff } from '../../shared/delta.ts';
import {
  type FeedFrame,
  createSseReader,
  decodeFrame,
  encodeFrame,
  formatCursor,
  parseCursor,
} from '../../shared/protocol.ts';
import { epoch, hostId, networkMap } from './arbitraries.ts';

const frame: fc.Arbitrary<FeedFrame> = fc.oneof(
  networkMap(4)
    .filter((map) => map.hosts.every((host) => !/^A{42}/.test(host.publicKey)))
    .map((map): FeedFrame => ({ kind: 'map', map })),
  fc.tuple(networkMap(4), networkMap(7)).map(([a, b]): FeedFrame => ({ kind: 'delta', delta: diff(a, b) })),
  fc.constant<FeedFrame>({ kind: 'heartbeat' }),
  fc.nat().map((revision): FeedFrame => ({ kind: 'current', epoch, revision })),
  fc.base64String({ minLength: 4 }).map((data): FeedFrame => ({ kind: 'map-gzip', data })),
  fc.boolean().map((isRotationDue): FeedFrame => ({
    kind: 'standing',
    standing: { hostId: hostId(1), state: 'active', isRotationDue, reportSeconds: 60, reflectorPort: null },
  })),
);

test('frames survive the wire however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 5 }), fc.array(fc.nat(400), { maxLength: 30 }), (frames, cuts) => {
      const wire = frames.map(encodeFrame).join('');
      const read = createSseReader();
      const events = [];
      let at = 0;
      for (const cut of cuts) {
        events.push(...read(wire.slice(at, at + cut)));
        at += cut;
      }
      events.push(...read(wire.slice(at)));
      assert.deepEqual(events.map(decodeFrame), frames);
    }),
  );
});

test('cursors survive, and nonsense is no cursor', () => {
  assert.deepEqual(parseCursor(formatCursor({ epoch, revision: 12 })), { epoch, revision: 12 });
  for (const text of [undefined, '', '12', `${epoch}:-1`, `${epoch}:01`, `${epoch}:1e9`, 'x:1']) {
    assert.equal(parseCursor(text), undefined);
  }
});

test('a frame off the schema is refused with the event and the field named', () => {
  const event = {
    event: 'delta',
    data: JSON.stringify({ epoch, from: 1, revision: 2, upserts: [{ id: 'x' }], removes: [] }),
  };
  assert.throws(() => decodeFrame(event), /delta event is wrong at 'upserts\/0\/id'/);
  assert.throws(() => decodeFrame({ event: 'map', data: '{' }), /not JSON/);
  assert.throws(() => decodeFrame({ event: 'boom', data: '' }), /unknown event/);
  assert.throws(() => createSseReader()('<html>\n\n'), { code: 'request-invalid' });
});
