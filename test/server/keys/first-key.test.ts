import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isSecretOf, parseKey } from '../../../server/keys/secret.ts';
import { type StoredKey, findKey, listWorkingKeys, recordKeyUse } from '../../../server/store/keys.ts';
import { type Store, openStore } from '../../../server/store/open.ts';
import { temporaryDirectory } from '../store/support.ts';

const child = fileURLToPath(new URL('first-key-child.ts', import.meta.url));

/** Standard output of a start, and the signal that ended it, if one did. */
function startOnce(directory: string, point = 'never'): { printed: string; signal: NodeJS.Signals | null } {
  const argv = ['--import', 'tsx', child, directory, point];
  const { stdout, stderr, signal, status } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
  assert.ok(signal === 'SIGKILL' || status === 0, stderr);
  return { printed: stdout, signal };
}

async function inStore<T>(directory: string, fn: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore({ file: join(directory, 'warren.db'), clock: Date, random: randomBytes });
  try {
    return await fn(store);
  } finally {
    await store.close();
  }
}

/** The stored key that the file lets somebody in with. */
async function keyInFile(directory: string): Promise<StoredKey | undefined> {
  const kept = parseKey((await readFile(join(directory, 'admin.key'), 'utf8')).trim());
  assert.ok(kept !== undefined, 'the file holds a whole key');
  const stored = await inStore(directory, (store) => findKey(store.db, kept.id));
  return isSecretOf(stored?.secretHash, kept.secret) ? stored : undefined;
}

const workingKeys = (directory: string): Promise<StoredKey[]> =>
  inStore(directory, (store) => listWorkingKeys(store.db, 'admin', Date.now()));

for (const point of ['made', 'half-written', 'written', 'committed']) {
  test(`a server killed with its first key ${point} has a key that works in the file after the next start`, async (t) => {
    const directory = temporaryDirectory(t);
    assert.equal(startOnce(directory, point).signal, 'SIGKILL');
    const { printed } = startOnce(directory);
    assert.ok(await keyInFile(directory));
    assert.equal((await workingKeys(directory)).length, 1);
    assert.equal((await stat(join(directory, 'admin.key'))).mode & 0o777, 0o600);
    // Acknowledged before it died: the key of the file is the first one, nothing is made anew.
    assert.equal(printed === 'none', point === 'committed');
  });
}

test('a first key that was never used and is not in its file is lost, another one is made', async (t) => {
  const directory = temporaryDirectory(t);
  const { printed: first } = startOnce(directory);
  assert.equal(startOnce(directory).printed, 'none');
  await rm(join(directory, 'admin.key'));
  const { printed: second } = startOnce(directory);
  assert.notEqual(second, first);
  assert.ok(await keyInFile(directory));
  await writeFile(join(directory, 'admin.key'), 'cut sh');
  assert.notEqual(startOnce(directory).printed, 'none');
  // Whoever kept the first one after all is not locked out.
  assert.equal((await workingKeys(directory)).length, 3);
});

test('a first key that was used is in somebody’s hands: its file may go', async (t) => {
  const directory = temporaryDirectory(t);
  const { printed } = startOnce(directory);
  const id = parseKey(printed)?.id ?? '';
  await inStore(directory, (store) => store.transact('server', (tx) => recordKeyUse(tx, id, tx.now)));
  await rm(join(directory, 'admin.key'));
  assert.equal(startOnce(directory).printed, 'none');
});
