import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { pino } from 'pino';
import { Secret } from '../../../shared/secret.ts';
import { loadServerConfig } from '../../../server/config.ts';
import { type RunningServer, start } from '../../../server/main.ts';
import { backupDatabase } from '../../../server/store/backup.ts';
import { restoreBackup } from '../../../server/store/restore.ts';

let dir = '';
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'warren-life-'));
});
after(() => rm(dir, { recursive: true, force: true }));

async function startIn(name: string, metricsListen = 'off'): Promise<RunningServer> {
  const flags = { listen: '127.0.0.1:0', url: 'https://127.0.0.1:0', state: join(dir, name), metricsListen };
  return start(await loadServerConfig({ flags, env: {} }), { log: pino({ level: 'silent' }) });
}

test('the first start makes the first key once, and nothing in the state directory is for others', async () => {
  const first = await startIn('first');
  const state = join(dir, 'first');
  assert.ok(first.firstKey instanceof Secret);
  assert.equal(await readFile(join(state, 'admin.key'), 'utf8'), `${first.firstKey.reveal()}\n`);
  await first.stop();
  await chmod(join(state, 'admin.key'), 0o644);
  await chmod(state, 0o755);
  const second = await startIn('first');
  assert.equal(second.firstKey, undefined);
  assert.equal(second.deps.authority.caPin, first.deps.authority.caPin);
  for (const name of (await readdir(state)).filter((name) => name !== 'ca.crt')) {
    assert.equal((await stat(join(state, name))).mode & 0o077, 0, name);
  }
  assert.equal((await stat(state)).mode & 0o777, 0o700);
  await second.stop();
});

test('a second server on the same state is refused and leaves nothing open', async () => {
  const first = await startIn('one');
  await assert.rejects(startIn('one'), { code: 'conflict' });
  await first.stop();
  await (await startIn('one')).stop();
});

test('a backup taken while the server runs brings the same mesh back under a new epoch', async () => {
  const server = await startIn('kept');
  const database = join(dir, 'kept', 'warren.db');
  const backupFile = join(dir, 'backup.db');
  await backupDatabase(database, backupFile);
  const target = { backupFile, file: database, clock: { now: Date.now }, random: randomBytes };
  assert.throws(() => restoreBackup(target), { code: 'conflict' });
  const { caPin } = server.deps.authority;
  const { epoch } = server.deps.store.position();
  await server.stop();
  await rm(join(dir, 'kept'), { recursive: true });
  const empty = await startIn('kept');
  assert.notEqual(empty.deps.authority.caPin, caPin);
  await empty.stop();
  restoreBackup(target);
  const back = await startIn('kept');
  assert.equal(back.deps.authority.caPin, caPin);
  assert.notEqual(back.deps.store.position().epoch, epoch);
  await back.stop();
});

test('metrics are on a listener of their own and name no host', async () => {
  const server = await startIn('metrics', '127.0.0.1:0');
  const text = await (await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`)).text();
  for (const name of [
    'warren_revision',
    'warren_online',
    'warren_hosts{state="active"}',
    'warren_workloads',
    'process_cpu_seconds_total',
  ]) {
    assert.ok(text.includes(name), name);
  }
  assert.equal((await fetch(`http://127.0.0.1:${server.metricsPort}/`)).status, 404);
  await server.stop();
  await assert.rejects(fetch(`http://127.0.0.1:${server.metricsPort}/metrics`));
});
