import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { applicationId } from '../../../server/store/engine/connect.ts';
import { listAllPublications } from '../../../server/store/publications.ts';
import { listAudit } from '../../../server/store/audit.ts';
import { listHosts } from '../../../server/store/hosts.ts';
import { listSubnetsOfHost } from '../../../server/store/subnets.ts';
import { readLeases } from '../../../server/store/leases.ts';
import { readMap } from '../../../server/feed/frames.ts';
import { readMeshSettings } from '../../../server/store/meta.ts';
import { initial } from '../../../server/store/migrations/0001-initial.ts';
import { migrations } from '../../../server/store/migrations/index.ts';
import { openStore } from '../../../server/store/open.ts';
import { setUpMesh } from '../../../server/store/set-up.ts';
import { addHost, defaults, seededRandom, temporaryDirectory, testClock } from './support.ts';

/** What the first release left behind: rows as it wrote them, in its own schema. */
function writeSchema1(file: string): void {
  const database = new Database(file);
  database.pragma('journal_mode = WAL');
  database.exec(initial);
  database.pragma(`application_id = ${applicationId}`);
  database.pragma('user_version = 1');
  database.exec(`
    INSERT INTO meta (id, epoch, revision, oldest_revision, mesh_revision, ula, mtu, keepalive_seconds, created_at, checked_at)
    VALUES (1, 'eaaaaaaaaaaaaaaaa', 41, 3, 1, 'fd12:3456:789a::/48', 1380, 20, 1000, 2000);
    INSERT INTO pool (id, kind, family, prefix, lease_length, next_slot, created_at) VALUES
      ('paaaaaaaaaaaaaaaa', 'overlay', 4, '10.86.0.0/16', 32, 3, 1000),
      ('pbbbbbbbbbbbbbbbb', 'container', 4, '10.210.0.0/16', 24, 3, 1000);
    INSERT INTO host (id, name, state, tags, public_key, identity_spki, listen_port, created_at, enrolled_at, map_revision)
    VALUES
      ('haaaaaaaaaaaaaaaa', 'web-1', 'active', '["eu"]', 'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk=', 'spki-1', 51820, 1000, 1500, 40),
      ('hbbbbbbbbbbbbbbbb', 'db-1', 'disabled', '[]', 'lllllllllllllllllllllllllllllllllllllllllll=', 'spki-2', 51821, 1001, 1501, 39);
    INSERT INTO lease (pool_id, slot, host_id, kind, family, prefix, created_at) VALUES
      ('paaaaaaaaaaaaaaaa', 1, 'haaaaaaaaaaaaaaaa', 'overlay', 4, '10.86.0.1/32', 1000),
      ('pbbbbbbbbbbbbbbbb', 1, 'haaaaaaaaaaaaaaaa', 'container', 4, '10.210.1.0/24', 1000),
      ('paaaaaaaaaaaaaaaa', 2, 'hbbbbbbbbbbbbbbbb', 'overlay', 4, '10.86.0.2/32', 1001);
    INSERT INTO subnet (id, host_id, prefix, weight, state, created_at)
    VALUES ('saaaaaaaaaaaaaaaa', 'haaaaaaaaaaaaaaaa', '192.168.7.0/24', 5, 'approved', 1200);
    INSERT INTO audit (at, actor, action, subject, detail, revision)
    VALUES (1500, 'host:haaaaaaaaaaaaaaaa', 'host.enroll', 'haaaaaaaaaaaaaaaa', '{"name":"web-1"}', 40);
    INSERT INTO secret (name, value, created_at) VALUES ('ca', x'00ff', 1000);
  `);
  database.close();
}

const optionsIn = (directory: string) => ({
  file: join(directory, 'warren.db'),
  clock: testClock(),
  random: seededRandom(),
});

test('a database of the first release opens with every row it had, and goes on from its revision', async (t) => {
  const options = optionsIn(temporaryDirectory(t));
  writeSchema1(options.file);
  const store = await openStore(options);
  t.after(() => store.close());
  assert.deepEqual(store.position(), { epoch: 'eaaaaaaaaaaaaaaaa', revision: 41 });
  const { items } = await listHosts(store.db, { limit: 10 });
  assert.deepEqual(
    items.map(({ name, state, listenPort, tags, workloads }) => ({ name, state, listenPort, tags, workloads })),
    [
      { name: 'web-1', state: 'active', listenPort: 51820, tags: ['eu'], workloads: [] },
      { name: 'db-1', state: 'disabled', listenPort: 51821, tags: [], workloads: [] },
    ],
  );
  const ids = items.map(({ id }) => id);
  assert.equal([...(await readLeases(store.db, ids)).values()].flat().length, 3);
  assert.equal((await listSubnetsOfHost(store.db, ids[0] ?? assert.fail('no host')))[0]?.weight, 5);
  assert.equal((await listAudit(store.db, { limit: 10 })).items[0]?.action, 'host.enroll');
  const settings = await readMeshSettings(store.db);
  assert.deepEqual([settings.mtu, settings.domain, settings.segments], [1380, 'warren.internal', []]);
  assert.deepEqual(await listAllPublications(store.db), []);
  const map = await readMap(store);
  assert.deepEqual(
    map.hosts.map(({ name, leases, workloads, nat, isRelay }) => ({ name, leases, workloads, nat, isRelay })),
    [{ name: 'web-1', leases: ['10.210.1.0/24'], workloads: [], nat: 'unknown', isRelay: false }],
  );
  await setUpMesh(store, { ...defaults, mtu: 1380, keepaliveSeconds: 20 });
  assert.equal(store.position().revision, 41, 'nothing to configure');
  await store.transact('server', (tx) => addHost(tx, 9));
  assert.equal(store.position().revision, 42);
});

test('what was there before the migration is kept beside it, as it was', async (t) => {
  const directory = temporaryDirectory(t);
  const options = optionsIn(directory);
  writeSchema1(options.file);
  await (await openStore(options)).close();
  const kept = readdirSync(dirname(options.file)).filter((name) => name.includes('before-schema'));
  assert.equal(kept.length, 1);
  const backup = new Database(join(directory, kept[0] ?? ''), { readonly: true });
  t.after(() => backup.close());
  assert.equal(backup.pragma('user_version', { simple: true }), 1);
  assert.equal(backup.pragma('integrity_check', { simple: true }), 'ok');
  assert.deepEqual(backup.prepare('SELECT name FROM host ORDER BY id').pluck().all(), ['web-1', 'db-1']);
  assert.throws(() => backup.prepare('SELECT workloads FROM host').all(), /no such column/);
  const migrated = new Database(options.file, { readonly: true });
  t.after(() => migrated.close());
  assert.equal(migrated.pragma('user_version', { simple: true }), migrations.length);
  await (await openStore(options)).close();
  const after = readdirSync(directory).filter((name) => name.includes('before-schema'));
  assert.deepEqual(after, kept, 'opening it again migrates nothing');
});
