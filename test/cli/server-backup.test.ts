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
  assert.deepEqual([backup.exitCode, JSON.parse(backup.stdout)], [0, { file }]);
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
