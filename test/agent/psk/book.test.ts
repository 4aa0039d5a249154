import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openPskBook } from '../../../agent/psk/book.ts';
import { noPair } from '../../../agent/psk/pair.ts';
import { presharedKeyId } from '../../../agent/system/preshared-key.ts';
import { Secret } from '../../../shared/secret.ts';
import { type PublicKey, parsePublicKey } from '../../../shared/wireguard.ts';
import { publicKeyOf } from '../../support/mesh-map.ts';

const [self, peer, other] = [1, 2, 3].map((n) => parsePublicKey(publicKeyOf(n))) as [PublicKey, PublicKey, PublicKey];
const key = (n: number): Secret => new Secret(Buffer.alloc(32, n).toString('base64'));
const idOf = (n: number) => presharedKeyId(key(n).reveal());
const nothing = (): Promise<ReadonlyMap<PublicKey, Secret>> => Promise.resolve(new Map());

async function folder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'warren-psk-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

test('what was put is there after a restart, in files of their own that only root reads; what nobody uses is deleted', async (t) => {
  const dir = await folder(t);
  const book = await openPskBook(dir, self, nothing);
  await book.put(peer, { set: undefined, held: { id: idOf(1), as: 'next' } }, 5, key(1));
  await book.put(peer, { set: idOf(1), held: undefined }, 6);
  await book.put(peer, { set: idOf(1), held: { id: idOf(2), as: 'next' } }, 7, key(2));
  await book.put(peer, { set: idOf(2), held: undefined }, 8);
  const again = await openPskBook(dir, self, nothing);
  assert.deepEqual(again.pair(peer), { set: idOf(2), held: undefined });
  assert.equal(again.takenAt(peer), 8);
  assert.deepEqual(await readdir(join(dir, 'psk')), [`${idOf(2)}.key`]);
  const file = again.wishes(self).get(peer)?.file ?? '';
  assert.equal((await readFile(file, 'utf8')).trim(), key(2).reveal());
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.ok(!(await readFile(join(dir, 'psk.json'), 'utf8')).includes(key(2).reveal()));
  await again.put(peer, noPair, 9);
  assert.deepEqual(await readdir(join(dir, 'psk')), []);
});

test('many changes at once are all kept', async (t) => {
  const dir = await folder(t);
  const book = await openPskBook(dir, self, nothing);
  const peers = Array.from({ length: 40 }, (_, i) => parsePublicKey(publicKeyOf(i + 10)));
  await Promise.all(peers.map((one, i) => book.put(one, { set: idOf(i), held: undefined }, i, key(i))));
  const again = await openPskBook(dir, self, nothing);
  assert.deepEqual(
    peers.map((one) => again.pair(one).set),
    peers.map((_, i) => idOf(i)),
  );
});

test('what cannot be read is forgotten; what the kernel has is taken over where nothing is written down', async (t) => {
  const dir = await folder(t);
  const book = await openPskBook(dir, self, nothing);
  await book.put(peer, { set: idOf(1), held: undefined }, 1, key(1));
  await book.put(other, { set: idOf(2), held: undefined }, 1, key(2));
  await writeFile(join(dir, 'psk', `${idOf(1)}.key`), `${key(9).reveal()}\n`);
  const second = await openPskBook(dir, self, nothing);
  assert.deepEqual([second.pair(peer), second.pair(other).set], [noPair, idOf(2)]);
  await writeFile(join(dir, 'psk.json'), '{"format":1');
  const third = await openPskBook(dir, self, () => Promise.resolve(new Map([[peer, key(4)]])));
  assert.deepEqual([third.pair(peer).set, third.pair(other)], [idOf(4), noPair]);
});

test('a host with another WireGuard key has none of what was agreed on before', async (t) => {
  const dir = await folder(t);
  const book = await openPskBook(dir, self, nothing);
  await book.put(peer, { set: idOf(1), held: undefined }, 1, key(1));
  assert.equal(book.wishes(other).size, 0);
  await book.begin(other);
  assert.deepEqual([book.pair(peer), book.wishes(other).size], [noPair, 0]);
  assert.deepEqual(await readdir(join(dir, 'psk')), []);
  assert.equal((await openPskBook(dir, self, nothing)).wishes(self).size, 0);
});
