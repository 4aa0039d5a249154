import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { backupDatabase } from '../../../server/store/backup.ts';
import { restoreBackup } from '../../../server/store/restore.ts';
import { listHosts } from '../../../server/store/hosts.ts';
import { listAudit } from '../../../server/store/audit.ts';
import { type Store, openStore } from '../../../server/store/open.ts';
import { addHost, temporaryDirectory, useStore } from './support.ts';

const names = async (store: Store): Promise<string[]> =>
  (await listHosts(store.db, { limit: 1000 })).items.map(({ name }) => name).sort();

test('a backup taken while writes go on is whole, private and one state of the database', async (t) => {
  const { store } = await useStore(t);
  const file = `${temporaryDirectory(t)}/backup.db`;
  for (let n = 0; n < 100; n += 1) await store.transact('server', (tx) => addHost(tx, n));
  const writes = Array.from({ length: 50 }, (_, n) => store.transact('server', (tx) => addHost(tx, 100 + n)));
  await Promise.all([store.backup(file), ...writes]);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const copy = new Database(file, { readonly: true });
  const { revision, hosts, audits } = copy
    .prepare(
      `SELECT (SELECT revision FROM meta) AS revision, (SELECT count(*) FROM host) AS hosts,
       (SELECT max(revision) FROM audit) AS audits`,
    )
    .get() as { revision: number; hosts: number; audits: number };
  copy.close();
  assert.equal(revision, hosts + 1);
  assert.equal(audits, revision);
  assert.ok(hosts >= 100);
});

test('a backup holds nothing of a transaction under way', async (t) => {
  const { store, options } = await useStore(t);
  const file = `${temporaryDirectory(t)}/backup.db`;
  await store.transact('server', async (tx) => {
    await addHost(tx, 1);
    await backupDatabase(options.file, file);
  });
  const copy = new Database(file, { readonly: true });
  assert.deepEqual(copy.prepare('SELECT count(*) AS hosts FROM host').get(), { hosts: 0 });
  copy.close();
});

test('a restored backup has its hosts back under a new epoch, and the replaced database is kept', async (t) => {
  const { store, options, clock } = await useStore(t);
  const backupFile = `${temporaryDirectory(t)}/backup.db`;
  await store.transact('server', (tx) => addHost(tx, 1));
  await store.backup(backupFile);
  await store.transact('server', (tx) => addHost(tx, 2));
  const before = store.position();
  await assert.rejects(async () => restoreBackup({ backupFile, ...options }), { code: 'conflict' });
  await store.close();
  const restored = restoreBackup({ backupFile, ...options, clock });
  const again = await openStore(options);
  t.after(() => again.close());
  assert.deepEqual(await names(again), ['host-1']);
  assert.notEqual(again.position().epoch, before.epoch);
  assert.deepEqual(again.position(), { epoch: restored.epoch, revision: restored.revision });
  assert.equal((await listAudit(again.db, { limit: 1 })).items[0]?.action, 'server.restore');
  const kept = new Database(restored.replaced ?? '', { readonly: true });
  assert.deepEqual(kept.prepare('SELECT count(*) AS hosts FROM host').get(), { hosts: 2 });
  kept.close();
});

test('what a killed server had committed is kept beside the restored database', async (t) => {
  const { store, options } = await useStore(t);
  const directory = temporaryDirectory(t);
  await store.backup(`${directory}/backup.db`);
  await store.transact('server', (tx) => addHost(tx, 1));
  const file = `${directory}/warren.db`;
  for (const suffix of ['', '-wal']) writeFileSync(file + suffix, readFileSync(options.file + suffix));
  const restored = restoreBackup({ ...options, file, backupFile: `${directory}/backup.db` });
  const kept = new Database(restored.replaced ?? '');
  assert.deepEqual(kept.prepare('SELECT count(*) AS hosts FROM host').get(), { hosts: 1 });
  kept.close();
});

test('a bad backup is refused and the database stays as it is', async (t) => {
  const { store, options } = await useStore(t);
  await store.close();
  const before = readFileSync(options.file);
  const backupFile = `${temporaryDirectory(t)}/backup.db`;
  await assert.rejects(async () => restoreBackup({ backupFile, ...options }), { code: 'not-found' });
  for (const content of ['', 'not a database', before.subarray(0, before.length - 8192)]) {
    writeFileSync(backupFile, content);
    await assert.rejects(async () => restoreBackup({ backupFile, ...options }), { code: 'store-corrupt' });
    assert.ok(readFileSync(options.file).equals(before));
  }
  assert.deepEqual(
    readdirSync(dirname(options.file)).filter((name) => name.includes('restoring') || name.includes('replaced')),
    [],
  );
});

test('a backup that cannot be written leaves nothing behind', async (t) => {
  const { store } = await useStore(t);
  const target = `${temporaryDirectory(t)}/missing/backup.db`;
  await assert.rejects(store.backup(target));
  assert.ok(!existsSync(dirname(target)));
});
