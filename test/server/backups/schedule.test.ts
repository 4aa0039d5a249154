import assert from 'node:assert/strict';
import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { listAudit } from '../../../server/store/audit.ts';
import type { Store } from '../../../server/store/open.ts';
import { drillBackup } from '../../../server/backups/drill.ts';
import { temporaryDirectory } from '../store/support.ts';
import { hour, useSchedule } from './support.ts';

const actions = async (store: Store): Promise<string[]> =>
  (await listAudit(store.db, { limit: 100 })).items
    .map(({ action }) => action)
    .filter((one) => one.startsWith('server.'));

test('a backup is made when one is due, each opens, and only the newest few stay', async (t) => {
  const { store, clock, directory, restart, files } = await useSchedule(t, { keep: 2 });
  const schedule = restart();
  assert.deepEqual(schedule.standing(), { state: 'waiting', lastGoodAt: null });
  const seen = new Set<string>();
  for (let n = 0; n < 4; n += 1) {
    await schedule.runOnce();
    await schedule.runOnce();
    for (const name of files()) seen.add(name);
    clock.advance(hour);
  }
  assert.equal(seen.size, 4);
  assert.equal(files().length, 2);
  for (const name of files()) {
    assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600);
    const { problems, counts } = await drillBackup({ file: join(directory, name), key: undefined, now: clock.now() });
    // Only this store has no authority and no key: nothing was ever started on it.
    assert.deepEqual(
      problems.filter((one) => !/^the CA is missing|no admin key/.test(one)),
      [],
    );
    assert.equal(counts.hosts, 1);
  }
  assert.deepEqual(await actions(store), Array(4).fill('server.backup'));
  assert.equal(schedule.standing().state, 'good');
});

test('a restarted server goes on where the last one was, and makes no backup that is not due', async (t) => {
  const { clock, restart, files } = await useSchedule(t);
  await restart().runOnce();
  clock.advance(hour / 2);
  const again = restart();
  await again.runOnce();
  assert.equal(files().length, 1);
  assert.equal(again.standing().state, 'good');
  clock.advance(hour / 2);
  await again.runOnce();
  assert.equal(files().length, 2);
});

test('a backup that fails is on record once and tried again; the old ones stay and no part of a new one is left', async (t) => {
  const { store, clock, directory, restart, files, metric } = await useSchedule(t);
  const schedule = restart();
  await schedule.runOnce();
  const [first = ''] = files();
  clock.advance(hour);
  // What can be no directory of backups, whoever writes there.
  renameSync(directory, `${directory}.away`);
  writeFileSync(directory, '');
  await schedule.runOnce();
  await schedule.runOnce();
  assert.equal(schedule.standing().state, 'failing');
  assert.equal(await metric('warren_backup_failing'), 1);
  assert.equal(await metric('warren_backup_failures_total'), 1);
  rmSync(directory);
  renameSync(`${directory}.away`, directory);
  clock.advance(hour / 4);
  await schedule.runOnce();
  assert.deepEqual([files().length, files()[0]], [2, first]);
  assert.deepEqual((await actions(store)).slice(0, 1), ['server.backup']);
  assert.deepEqual((await actions(store)).filter((one) => one === 'server.backup-failed').length, 1);
  assert.equal(schedule.standing().state, 'good');
  assert.equal(await metric('warren_backup_failing'), 0);
  assert.equal(await metric('warren_backup_last_good_seconds'), clock.now() / 1000);
});

test('what a server that died during a backup left is removed; what others put there is not touched', async (t) => {
  const { clock, directory, restart, files } = await useSchedule(t, { keep: 1 });
  mkdirSync(directory);
  const theirs = ['warren-20200101T000000Z.db.old', 'notes.partial', 'warren.db'];
  for (const name of [...theirs, 'warren-20261122T000000Z.db.partial']) writeFileSync(join(directory, name), 'x');
  const schedule = restart();
  await schedule.runOnce();
  clock.advance(hour);
  await schedule.runOnce();
  assert.equal(files().length, theirs.length + 1);
  for (const name of theirs) assert.ok(files().includes(name), name);
});

test('a clock that was set back makes a backup at once, and never removes it for older ones of a later date', async (t) => {
  const { clock, restart, files } = await useSchedule(t, { keep: 2 });
  clock.advance(1000 * hour);
  const schedule = restart();
  for (let n = 0; n < 2; n += 1) {
    await schedule.runOnce();
    clock.advance(hour);
  }
  clock.advance(-900 * hour);
  await schedule.runOnce();
  assert.equal(files().length, 2);
  assert.equal(schedule.standing().lastGoodAt, new Date(clock.now()).toISOString());
});

test('a server that stops gives up the backup under way', async (t) => {
  const { restart, directory, files } = await useSchedule(t);
  const schedule = restart();
  schedule.start();
  await schedule.stop();
  assert.deepEqual(existsSync(directory) ? files().filter((name) => name.endsWith('.partial')) : [], []);
  rmSync(directory, { recursive: true, force: true });
});

const child = fileURLToPath(new URL('full-child.ts', import.meta.url));
const script = 'mount -t tmpfs -o size=1m warren-test "$1" && exec "$2" --import tsx "$3" "$1"';
const canMount = spawnSync('unshare', ['-m', 'true']).status === 0;

test(
  'a disk that is full keeps its old backups, gets no half one, and the next one again',
  { skip: !canMount },
  (t) => {
    const options = { encoding: 'utf8' as const };
    const run = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', script, 'sh', temporaryDirectory(t), process.execPath, child],
      options,
    );
    assert.equal(run.status, 0, run.stderr);
    const { full, freed, isOldWhole } = JSON.parse(run.stdout) as Record<string, { state: string; names: string[] }>;
    for (const kind of ['open', 'sealed']) {
      assert.deepEqual([kind, full?.[kind as never]], [kind, { state: 'failing', count: 1, drafts: 0 }]);
      assert.deepEqual([kind, freed?.[kind as never]], [kind, { state: 'good', count: 2, drafts: 0 }]);
    }
    assert.equal(isOldWhole, true);
  },
);
