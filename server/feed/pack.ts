/**
 * A map's JSON into a frame, plain while it is short, else compressed. Takes the text in parts and compresses each on
 * zlib's own thread while the next is made, so that the text of a mesh of many containers (tens of MB) is never held, nor
 * copied, as a whole: that alone would stop everybody else for longer than a change may take.
 */
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { NetworkMap } from '../../shared/network-map.ts';
import { type FeedFrame, gzipMapBytes } from '../../shared/protocol.ts';

export async function packMap(parts: AsyncIterable<string>): Promise<FeedFrame> {
  let opening = '';
  const zipped: Buffer[] = [];
  await pipeline(
    async function* look() {
      for await (const part of parts) {
        if (opening.length <= gzipMapBytes) opening += part;
        yield part;
      }
    },
    createGzip({ level: 1 }),
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) zipped.push(chunk);
    },
  );
  if (opening.length <= gzipMapBytes) return { kind: 'map', map: JSON.parse(opening) as NetworkMap };
  return { kind: 'map-gzip', data: Buffer.concat(zipped).toString('base64') };
}
