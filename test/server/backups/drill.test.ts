import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { makeBackup } from '../../../server/backups/backup.ts';
import { drillBackup } from '../../../server/backups/drill.ts';
import { generateBackupKey, parseBackupKey } from '../../../server/backups/keys.ts';
import { startTestServer } from '../http/test-server.ts';
import { temporaryDirectory } from '../store/support.ts';

const now = Date.now();

test("a drill of a running server's backup finds nothing wrong, sealed or not, and leaves nothing behind", async (t) => {
  const server = await startTestServer();
  t.after(() => server.stop());
  await server.enroll();
  await server.enroll();
  const [directory, scratch] = [temporaryDirectory(t), temporaryDirectory(t)];
  const { recipient, text } = generateBackupKey();
  const [open, sealed] = [join(directory, 'open.db'), join(directory, 'backup.sealed')];
  const database = join(server.stateDir, 'warren.db');
  await makeBackup({ database, target: open, recipients: [] });
  const copied = await makeBackup({ database, target: sealed, recipients: [recipient] });
  assert.deepEqual(
    readdirSync(server.stateDir).filter((name) => /sealing$|partial/.test(name)),
    [],
  );
  const report = await drillBackup({ file: open, key: undefined, now, scratch });
  const withKey = await drillBackup({ file: sealed, key: parseBackupKey(text), now, scratch });
  assert.deepEqual(report.problems, []);
  assert.deepEqual({ ...withKey, isSealed: false }, report);
  assert.deepEqual([withKey.isSealed, withKey.revision, withKey.counts.hosts], [true, copied.revision, 2]);
  assert.equal(report.caPin, server.server.deps.authority.caPin);
  assert.deepEqual(readdirSync(scratch), []);
  assert.equal(readFileSync(sealed).includes('SQLite format'), false);
  await assert.rejects(drillBackup({ file: sealed, key: undefined, now, scratch }), { code: 'usage-invalid' });
  const other = parseBackupKey(generateBackupKey().text);
  await assert.rejects(drillBackup({ file: sealed, key: other, now, scratch }), { code: 'forbidden' });
  assert.deepEqual(readdirSync(scratch), []);
});

test('a drill names each contradiction in a backup that opens', async (t) => {
  const server = await startTestServer();
  t.after(() => server.stop());
  const { id, name } = await server.enroll();
  await server.enroll();
  const directory = temporaryDirectory(t);
  const good = join(directory, 'good.db');
  await makeBackup({ database: join(server.stateDir, 'warren.db'), target: good, recipients: [] });
  const broken: [string, RegExp][] = [
    [
      `UPDATE lease SET prefix = '10.210.0.0/23' WHERE host_id = '${id}' AND kind = 'container' AND family = 4`,
      /is not slot|overlaps/,
    ],
    [
      `DELETE FROM lease WHERE host_id = '${id}' AND kind = 'overlay' AND family = 4`,
      new RegExp(`${name} has no overlay prefix`),
    ],
    [`UPDATE host SET public_key = NULL WHERE id = '${id}'`, /is active without a key/],
    ['DELETE FROM audit WHERE id = 2', /the audit has \d+ entries up to number/],
    ['UPDATE audit SET revision = 9999 WHERE id = 3', /something is of revision 9999|goes back/],
    [`UPDATE host SET map_revision = 5000 WHERE id = '${id}'`, /something is of revision 5000/],
    [`DELETE FROM secret WHERE name = 'ca.key'`, /CA certificate and keys do not belong together/],
    [`DELETE FROM secret`, /the CA is missing/],
    [
      `PRAGMA foreign_keys = OFF; DELETE FROM host WHERE id = '${id}'`,
      /a row of \w+ belongs to a host that is not there/,
    ],
    ['DELETE FROM api_key', /no admin key of it works/],
  ];
  for (const [sql, expected] of broken) {
    const file = join(directory, 'broken.db');
    writeFileSync(file, readFileSync(good));
    const database = new Database(file);
    database.exec(sql);
    database.close();
    const { problems } = await drillBackup({ file, key: undefined, now });
    assert.ok(
      problems.some((one) => expected.test(one)),
      `${sql}: ${problems.join('; ')}`,
    );
  }
});

test('a drill of a damaged or cut backup says that it is no good', async (t) => {
  const server = await startTestServer();
  t.after(() => server.stop());
  const directory = temporaryDirectory(t);
  const [good, bad] = [join(directory, 'good.db'), join(directory, 'bad.db')];
  await makeBackup({ database: join(server.stateDir, 'warren.db'), target: good, recipients: [] });
  const bytes = readFileSync(good);
  const noise = Buffer.from(bytes);
  noise.fill(0xa5, 4096, 4096 * 6);
  for (const content of [bytes.subarray(0, bytes.length / 2), noise, Buffer.from('no database'), Buffer.alloc(0)]) {
    writeFileSync(bad, content);
    await assert.rejects(drillBackup({ file: bad, key: undefined, now }), { code: 'store-corrupt' });
  }
});
