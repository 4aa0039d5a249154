import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createHost, listHosts } from '../../shared/api/hosts.ts';
import { showMesh } from '../../shared/api/status.ts';
import { parseHostName } from '../../shared/names.ts';
import { openStream } from '../server/routes/https.ts';
import { enrollAgent } from '../server/routes/support.ts';
import { temporaryDirectory } from '../server/store/support.ts';
import { until } from '../support/wait.ts';
import { startServerProcess, warrenServer } from './server-process.ts';

const kindsOf = (stream: { frames: { kind: string }[] }): string[] => stream.frames.map(({ kind }) => kind);

test('a backup taken online brings the mesh back elsewhere; every agent gets a full map of a new epoch', async (t) => {
  const directory = temporaryDirectory(t);
  const [state, file] = [join(directory, 'state'), join(directory, 'backup.db')];
  const server = await startServerProcess(t, { state });
  const agent = await enrollAgent(server, 'kept');
  const { epoch, revision } = await server.admin(showMesh, {});
  const backup = await warrenServer(['backup', file, '--state', state, '--json']);
  assert.deepEqual([backup.exitCode, JSON.parse(backup.stdout)], [0, { file, revision, isSealed: false }]);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  await server.admin(createHost, { body: { name: parseHostName('later') } });
  const current = await openStream(server.port, '/agent/v1/feed', { agent, cursor: `${epoch}:${revision}` });
  await until('the agent is brought up to date by deltas', { seconds: 10 }, () => current.frames.length > 1);
  assert.ok(!kindsOf(current).some((kind) => kind.startsWith('map')), kindsOf(current).join());
  server.kill('SIGTERM');
  await server.ended;
  const restore = await warrenServer(['restore', file, '--state', state]);
  assert.equal(restore.exitCode, 0, restore.stderr);
  assert.match(
    restore.stdout,
    /^restored revision \d+; what was there before is kept in .*every agent takes a full map/,
  );
  const back = await startServerProcess(t, { state });
  assert.deepEqual(
    (await back.admin(listHosts, {})).items.map(({ name }) => name),
    ['kept'],
  );
  const mesh = await back.admin(showMesh, {});
  assert.notEqual(mesh.epoch, epoch);
  // The revision is one that the old history had too; only the epoch tells them apart.
  const stream = await openStream(back.port, '/agent/v1/feed', { agent, cursor: `${epoch}:${mesh.revision}` });
  await until('a full map', { seconds: 10 }, () => kindsOf(stream).some((kind) => kind.startsWith('map')));
});

test('restore refuses what is no whole backup and leaves the state as it is', async (t) => {
  const directory = temporaryDirectory(t);
  const state = join(directory, 'state');
  const server = await startServerProcess(t, { state });
  server.kill('SIGTERM');
  await server.ended;
  const names = await readdir(state);
  const missing = await warrenServer(['restore', join(directory, 'none.db'), '--state', state]);
  assert.match(missing.stderr, /warren: there is no backup .*none\.db/);
  assert.equal(missing.exitCode, 3);
  const key = join(state, 'admin.key');
  const wrong = await warrenServer(['restore', key, '--state', state]);
  assert.match(wrong.stderr, /warren: .*admin\.key is damaged/);
  assert.equal(wrong.exitCode, 1);
  assert.deepEqual(await readdir(state), names);
});

test('backup says what is missing: the database, or the folder to write to', async (t) => {
  const directory = temporaryDirectory(t);
  const none = await warrenServer(['backup', join(directory, 'b.db'), '--state', directory]);
  assert.match(none.stderr, /warren: there is no database .*warren\.db; is --state right\?/);
  assert.equal(none.exitCode, 3);
  const state = join(directory, 'state');
  await startServerProcess(t, { state });
  const nowhere = await warrenServer(['backup', join(directory, 'no', 'b.db'), '--state', state]);
  assert.match(nowhere.stderr, /warren: .*no\/b\.db/);
  assert.equal(nowhere.exitCode, 3);
});

test('a sealed backup is tried out and put back with its key, and with no other', async (t) => {
  const directory = temporaryDirectory(t);
  const at = (name: string): string => join(directory, name);
  const server = await startServerProcess(t, { state: at('state') });
  await enrollAgent(server, 'kept');
  const [made, stranger] = [
    await warrenServer(['backup-key', at('key')]),
    await warrenServer(['backup-key', at('other')]),
  ];
  assert.deepEqual([made.exitCode, stranger.exitCode, (await stat(at('key'))).mode & 0o777], [0, 0, 0o600]);
  assert.equal((await warrenServer(['backup-key', at('key')])).exitCode, 1);
  const sealed = ['backup', at('b.sealed'), '--state', at('state'), '--recipient', made.stdout.trim()];
  const backup = await warrenServer(sealed);
  assert.equal(backup.exitCode, 0, backup.stderr);
  assert.equal((await warrenServer([...sealed.slice(0, -1), made.stdout.trim().slice(0, -1)])).exitCode, 2);
  server.kill('SIGTERM');
  await server.ended;
  const before = await readdir(at('state'));
  const drill = await warrenServer(['drill', at('b.sealed'), '--key', at('key'), '--json']);
  assert.equal(drill.exitCode, 0, drill.stderr);
  const { isSealed, hosts, problems } = JSON.parse(drill.stdout) as Record<string, unknown>;
  assert.deepEqual({ isSealed, hosts, problems }, { isSealed: true, hosts: 1, problems: [] });
  const restore = ['restore', at('b.sealed'), '--state', at('state')];
  assert.equal((await warrenServer(restore)).exitCode, 2);
  assert.equal((await warrenServer([...restore, '--key', at('other')])).exitCode, 4);
  assert.deepEqual(await readdir(at('state')), before);
  const restored = await warrenServer([...restore, '--key', at('key')]);
  assert.equal(restored.exitCode, 0, restored.stderr);
  assert.equal(
    (await readdir(at('state'))).some((name) => name.endsWith('.opened')),
    false,
  );
  const back = await startServerProcess(t, { state: at('state') });
  assert.deepEqual(
    (await back.admin(listHosts, {})).items.map(({ name }) => name),
    ['kept'],
  );
});

test('a server told to make backups makes one at its start, and says so in /readyz', async (t) => {
  const directory = temporaryDirectory(t);
  const env = { WARREN_BACKUP_DIR: join(directory, 'backups') };
  const server = await startServerProcess(t, { state: join(directory, 'state'), env });
  const standing = async (): Promise<Record<string, unknown>> => {
    const { body } = await server.get('/readyz');
    return (JSON.parse(body) as { backup: Record<string, unknown> }).backup;
  };
  await until('the first backup', { seconds: 30 }, async () => (await standing())['state'] === 'good');
  const [name = '', ...others] = await readdir(env.WARREN_BACKUP_DIR);
  assert.deepEqual(others, []);
  const drill = await warrenServer(['drill', join(env.WARREN_BACKUP_DIR, name)]);
  assert.equal(drill.exitCode, 0, drill.stderr + drill.stdout);
});
