import assert from 'node:assert/strict';
import { readFileSync, readdirSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { migrations } from '../../../server/store/migrations/index.ts';
import { openStore } from '../../../server/store/open.ts';
import { addHost, seededRandom, temporaryDirectory, testClock, useStore } from './support.ts';

const optionsIn = (directory: string) => ({
  file: join(directory, 'warren.db'),
  clock: testClock(),
  random: seededRandom(),
});

test('a new store has an epoch, a ULA of its own and files for its owner only', async (t) => {
  const { store, options } = await useStore(t);
  assert.match(store.position().epoch, /^e[a-z2-7]{16}$/);
  for (const name of readdirSync(dirname(options.file))) {
    assert.equal(statSync(join(dirname(options.file), name)).mode & 0o077, 0, name);
  }
});

test('a store that is opened again is the same', async (t) => {
  const { store, options } = await useStore(t);
  await store.transact('server', (tx) => addHost(tx, 1));
  const position = store.position();
  await store.close();
  const again = await openStore(options);
  t.after(() => again.close());
  assert.deepEqual(again.position(), position);
});

test('a second server on the same database is refused, until the first one ends', async (t) => {
  const { store, options } = await useStore(t);
  await assert.rejects(openStore(options), { code: 'conflict', message: /stop it first/ });
  await store.close();
  const again = await openStore(options);
  await again.close();
});

test('a newer schema is refused and the file is left as it is', async (t) => {
  const { store, options } = await useStore(t);
  await store.close();
  const database = new Database(options.file);
  database.pragma('user_version = 99');
  database.close();
  const before = readFileSync(options.file);
  await assert.rejects(openStore(options), { code: 'store-newer', message: /schema 99/ });
  assert.ok(readFileSync(options.file).equals(before));
});

test('a damaged, cut, emptied or foreign database is refused with its name and the remedy', async (t) => {
  const { store, options } = await useStore(t);
  for (let n = 0; n < 50; n += 1) await store.transact('server', (tx) => addHost(tx, n));
  await store.close();
  const whole = readFileSync(options.file);
  const damages: Record<string, () => void> = {
    garbage: () => writeFileSync(options.file, Buffer.alloc(whole.length, 'garbage')),
    cut: () => truncateSync(options.file, whole.length - 3 * 4096),
    'pages overwritten': () => writeFileSync(options.file, Buffer.from(whole).fill(0xa5, 4096, 4096 * 6)),
    emptied: () => truncateSync(options.file, 0),
    foreign: () => {
      renameSync(options.file, `${options.file}.aside`);
      new Database(options.file).exec('CREATE TABLE a (b)').close();
    },
  };
  for (const [what, damage] of Object.entries(damages)) {
    writeFileSync(options.file, whole);
    damage();
    const before = readFileSync(options.file);
    await assert.rejects(openStore(options), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'store-corrupt', `${what}: ${error.message}`);
      assert.match(error.message, /warren\.db.*warren server restore/);
      return true;
    });
    assert.ok(readFileSync(options.file).equals(before), what);
  }
});

test('a database that vanished while its log stayed is not made anew', async (t) => {
  const options = optionsIn(temporaryDirectory(t));
  writeFileSync(`${options.file}-wal`, 'x');
  await assert.rejects(openStore(options), { code: 'store-corrupt' });
});

test('a migration is preceded by a backup of what was there', async (t) => {
  const options = optionsIn(temporaryDirectory(t));
  const store = await openStore(options);
  await store.transact('server', async (tx) => tx.audit('test', null, {}));
  await store.close();
  const next = [...migrations, 'CREATE TABLE extra (id INTEGER PRIMARY KEY) STRICT'];
  const migrated = await openStore({ ...options, migrations: next });
  assert.deepEqual(migrated.position(), store.position());
  await migrated.close();
  const backups = readdirSync(dirname(options.file)).filter((name) => name.includes('before-schema'));
  assert.equal(backups.length, 1);
  const backup = new Database(join(dirname(options.file), backups[0] ?? ''));
  assert.equal(backup.pragma('user_version', { simple: true }), migrations.length);
  assert.deepEqual(backup.prepare('SELECT revision FROM meta').get(), { revision: 1 });
  backup.close();
  await assert.rejects(openStore(options), { code: 'store-newer' });
});

test('a migration that fails leaves the schema before it', async (t) => {
  const options = optionsIn(temporaryDirectory(t));
  await (await openStore(options)).close();
  const broken = [...migrations, 'CREATE TABLE extra (id INTEGER) STRICT; CREATE TABLE host (id)'];
  await assert.rejects(openStore({ ...options, migrations: broken }), /already exists/);
  const store = await openStore(options);
  await assert.rejects(
    store.db
      .selectFrom('extra' as 'host')
      .selectAll()
      .execute(),
    /no such table/,
  );
  await store.close();
});

test('a closed store takes no transactions and finishes those under way', async (t) => {
  const { store, options } = await useStore(t);
  const running = store.transact('server', (tx) => addHost(tx, 1));
  await store.close();
  await running;
  await assert.rejects(
    store.transact('server', (tx) => addHost(tx, 2)),
    { code: 'draining' },
  );
  const again = await openStore(options);
  assert.deepEqual(again.position(), store.position());
  await again.close();
});
