import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { generateBackupKey, parseBackupKey, parseRecipient } from '../../../server/backups/keys.ts';
import { chunkBytes } from '../../../server/backups/seal.ts';
import { isSealed, openSealedFile, sealFile } from '../../../server/backups/sealed-file.ts';
import { Secret } from '../../../shared/secret.ts';
import { temporaryDirectory } from '../store/support.ts';

const keyPair = () => {
  const { recipient, text } = generateBackupKey();
  return { recipient, key: parseBackupKey(text), text };
};

test('each recipient opens a sealed file of any length to the same bytes, and nobody else does', async (t) => {
  const directory = temporaryDirectory(t);
  const [source, sealed, opened] = ['plain', 'sealed', 'opened'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  const [one, two, stranger] = [keyPair(), keyPair(), keyPair()];
  for (const length of [0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 3 * chunkBytes, 3 * chunkBytes + 17]) {
    const plain = randomBytes(length);
    writeFileSync(source, plain);
    await sealFile(source, sealed, [one.recipient, two.recipient]);
    assert.equal(statSync(sealed).mode & 0o777, 0o600);
    assert.equal(await isSealed(sealed), true);
    for (const { key } of [one, two]) {
      await openSealedFile(sealed, opened, key);
      assert.ok(readFileSync(opened).equals(plain), `${length} bytes`);
    }
    await assert.rejects(openSealedFile(sealed, `${opened}-not`, stranger.key), { code: 'forbidden' });
    assert.equal(existsSync(`${opened}-not`), false);
  }
});

test('a sealed file that is changed, cut, lengthened or reordered anywhere opens to nothing', async (t) => {
  const directory = temporaryDirectory(t);
  const { recipient, key } = keyPair();
  const [source, sealed, opened] = ['plain', 'sealed', 'opened'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(source, randomBytes(2 * chunkBytes + 100));
  await sealFile(source, sealed, [recipient]);
  const good = readFileSync(sealed);
  const sealedChunk = chunkBytes + 16;
  const header = good.length - 2 * sealedChunk - 116;
  const swapped = Buffer.concat([
    good.subarray(0, header),
    good.subarray(header + sealedChunk, header + 2 * sealedChunk),
    good.subarray(header, header + sealedChunk),
    good.subarray(header + 2 * sealedChunk),
  ]);
  const refused = async (bytes: Buffer): Promise<void> => {
    writeFileSync(sealed, bytes);
    await assert.rejects(openSealedFile(sealed, opened, key));
    assert.equal(existsSync(opened), false);
    assert.equal(existsSync(`${opened}.partial`), false);
  };
  await refused(swapped);
  await refused(Buffer.concat([good, Buffer.from([0])]));
  await refused(good.subarray(0, header + 2 * sealedChunk));
  await refused(good.subarray(0, header));
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ mask;
      await refused(bad);
    }),
    { numRuns: 40 },
  );
});

test('a key or recipient with a letter changed or lost is refused, because nothing would open what is sealed to it', () => {
  const { recipient, text } = generateBackupKey();
  assert.equal(parseRecipient(recipient), recipient);
  assert.doesNotMatch(`${String(text)} ${JSON.stringify({ text })}`, /wrnbackupkey_/);
  fc.assert(
    fc.property(fc.nat(recipient.length - 1), fc.constantFrom('A', 'b', '7', '-', ''), (at, letter) => {
      const typed = recipient.slice(0, at) + letter + recipient.slice(at + 1);
      if (typed !== recipient) assert.throws(() => parseRecipient(typed));
      const secret = text.reveal();
      const mistyped = secret.slice(0, at) + letter + secret.slice(at + 1);
      if (mistyped !== secret) assert.throws(() => parseBackupKey(new Secret(mistyped)));
    }),
  );
  assert.throws(() => parseBackupKey(new Secret(recipient)));
});
