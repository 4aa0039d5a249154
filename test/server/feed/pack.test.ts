import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { gzipMapBytes } from '../../../shared/protocol.ts';
import { packMap } from '../../../server/feed/pack.ts';

async function* parts(texts: readonly string[]): AsyncGenerator<string> {
  for (const text of texts) yield text;
}

const unpacked = (data: string): string => gunzipSync(Buffer.from(data, 'base64')).toString('utf8');

test('a short map is told in plain', async () => {
  const frame = await packMap(parts(['{"hosts":', '[]}']));
  assert.deepEqual(frame, { kind: 'map', map: { hosts: [] } });
});

test('a long map is the same text after unpacking, however it was cut', async () => {
  const body = fc.array(fc.string({ unit: 'grapheme', maxLength: 40 }), { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(body, async (texts) => {
      const long = [...texts, 'x'.repeat(gzipMapBytes + 1), ...texts];
      const frame = await packMap(parts(long));
      assert.ok(frame.kind === 'map-gzip');
      assert.equal(unpacked(frame.data), long.join(''));
    }),
    { numRuns: 50 },
  );
});

test('a map whose reading fails is no frame', async () => {
  async function* broken(): AsyncGenerator<string> {
    yield '{';
    throw new Error('the disk is gone');
  }
  await assert.rejects(packMap(broken()), /the disk is gone/);
});
