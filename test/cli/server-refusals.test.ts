import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, readdir, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { temporaryDirectory } from '../server/store/support.ts';
import { type CommandResult, run } from '../support/command.ts';
import { warrenProgram } from '../support/lab-config.ts';
import { startServerProcess, warrenServer } from './server-process.ts';

const inState = (state: string): string[] => [
  '--listen',
  '127.0.0.1:0',
  '--url',
  'https://127.0.0.1:0',
  '--state',
  state,
];

const canMount = (await run(['unshare', '-m', 'true'], { okCodes: 'any' })).exitCode === 0;
const script = 'mount -t tmpfs -o "$1" warren-test "$2" && shift 2 && exec "$@"';

/** A server on a small file system of its own, in a mount namespace that ends with it. */
function runOnDisk(options: string, state: string): Promise<CommandResult> {
  const argv = ['unshare', '-m', 'sh', '-c', script, 'sh', options, state, ...warrenProgram(), 'server'];
  return run([...argv, ...inState(state)], { okCodes: 'any', env: { WARREN_METRICS_LISTEN: 'off' } });
}

test('a wrong command line or configuration is told whole, with flag, variable or line, and exits 2', async (t) => {
  const file = join(temporaryDirectory(t), 'server.yaml');
  await writeFile(file, '# mine\nlisten: 127.0.0.1:0\nlistten: 1\nmtu: many\n');
  const cases: [string[], Record<string, string>, RegExp[]][] = [
    [['--nothing'], {}, [/unknown option '--nothing'/, /warren server --help/]],
    [['--listen', '8443'], {}, [/^warren: --listen: write it like 0\.0\.0\.0:8443/]],
    [['--url', 'http://a:1'], {}, [/^warren: --url: /]],
    [['--domain', 'Mesh.example.'], {}, [/^warren: --domain: 'Mesh\.example\.' is not a domain; write it like warren/]],
    [['--log-level', 'loud'], {}, [/--log-level: use one of fatal, error/]],
    [
      ['--config', file],
      {},
      [/server\.yaml:3: unknown setting 'listten'; known are listen/, /server\.yaml:4: mtu: give/],
    ],
    [['--config', '/nothing/there.yaml'], {}, [/\/nothing\/there\.yaml: cannot be read \(ENOENT\)/]],
    [[], { WARREN_MTU: '99', WARREN_LISTEN: 'x' }, [/WARREN_MTU: give a whole number/, /WARREN_LISTEN: write it like/]],
    [['restor', 'x'], {}, [/too many arguments|unknown command/]],
  ];
  for (const [args, env, expected] of cases) {
    for (const given of args[0] === 'restor' ? [args] : [args, ['configtest', ...args]]) {
      const { exitCode, stdout, stderr } = await warrenServer(given, { env });
      for (const pattern of expected) assert.match(stderr, pattern);
      assert.equal(exitCode, 2, stderr);
      assert.equal(stdout, '');
    }
  }
});

test('configtest shows what the configuration comes to, and nothing is made', async (t) => {
  const state = join(temporaryDirectory(t), 'none');
  const given = ['--state', state, '--listen', '[::1]:1', '--domain', 'mesh.example'];
  const { exitCode, stdout } = await warrenServer(['configtest', '--json', ...given]);
  assert.equal(exitCode, 0);
  const shown = JSON.parse(stdout) as Record<string, unknown>;
  assert.equal(shown['listen'], '[::1]:1');
  assert.equal(shown['metricsListen'], 'off');
  assert.equal(shown['reflector'], 'on');
  assert.equal(shown['stateDir'], state);
  assert.equal(shown['domain'], 'mesh.example');
  assert.equal(existsSync(state), false);
});

test('a port that is taken is told with the flag that changes it', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as { port: number };
  const args = ['--state', temporaryDirectory(t), '--listen', `127.0.0.1:${port}`];
  const { exitCode, stderr } = await warrenServer(args);
  assert.match(stderr, new RegExp(`warren: cannot listen on 127\\.0\\.0\\.1:${port}: something else listens there`));
  assert.match(stderr, /choose another --listen/);
  assert.equal(exitCode, 1);
});

test('a state directory that cannot be used is named, and exits 4', async (t) => {
  const directory = temporaryDirectory(t);
  await writeFile(join(directory, 'file'), '');
  for (const state of [join(directory, 'file'), join(directory, 'file', 'below')]) {
    const { exitCode, stderr } = await warrenServer(inState(state));
    assert.match(stderr, new RegExp(`warren: the state directory ${state} cannot be used: .*see --state`));
    assert.equal(exitCode, 4);
  }
});

test('a state directory on a read-only file system is named, and exits 4', { skip: !canMount }, async (t) => {
  const state = temporaryDirectory(t);
  const { exitCode, stderr } = await runOnDisk('ro', state);
  assert.match(stderr, /warren: the state directory .* cannot be used: .*see --state/);
  assert.equal(exitCode, 4);
});

test('a state directory that another server uses is refused to servers and to restore, not to backup', async (t) => {
  const directory = temporaryDirectory(t);
  const state = join(directory, 'state');
  const server = await startServerProcess(t, { state });
  const second = await warrenServer(inState(state));
  assert.match(
    second.stderr,
    /warren: a server is using .*warren\.db; stop it first, or give this one another --state/,
  );
  assert.equal(second.exitCode, 1);
  const backup = join(directory, 'backup.db');
  assert.equal((await warrenServer(['backup', backup, '--state', state])).exitCode, 0);
  const restore = await warrenServer(['restore', backup, '--state', state]);
  assert.match(restore.stderr, /a server is using .*stop it first/);
  assert.equal(restore.exitCode, 1);
  assert.equal((await server.get('/readyz')).status, 200);
});

/** A state that a server left behind, and its database. */
async function usedState(t: TestContext): Promise<{ state: string; file: string }> {
  const state = join(temporaryDirectory(t), 'state');
  const server = await startServerProcess(t, { state });
  server.kill('SIGTERM');
  await server.ended;
  return { state, file: join(state, 'warren.db') };
}

const damages: Record<string, (file: string) => Promise<void>> = {
  empty: (file) => truncate(file, 0),
  'cut short': (file) => truncate(file, 20_000),
  garbage: (file) => writeFile(file, 'x'.repeat(50_000)),
  'overwritten inside': async (file) => {
    const bytes = await readFile(file);
    await writeFile(file, bytes.fill(0xa5, 4096, bytes.length - 4096));
  },
};

for (const [name, damage] of Object.entries(damages)) {
  test(`a database that is ${name} stops the start; file and remedy are named, nothing is made anew`, async (t) => {
    const { state, file } = await usedState(t);
    await damage(file);
    const [before, names] = [await readFile(file), await readdir(state)];
    const { exitCode, stdout, stderr } = await warrenServer(inState(state));
    assert.match(stderr, new RegExp(`warren: the database ${file} is damaged .*\`warren server restore BACKUP\``));
    assert.equal(exitCode, 1);
    assert.equal(stdout, '');
    assert.ok(before.equals(await readFile(file)), 'the damaged file is as it was');
    assert.deepEqual(
      (await readdir(state)).filter((one) => !/-(wal|shm)$/.test(one)),
      names,
    );
  });
}

test('a database of a newer version stops the start and says what to do', async (t) => {
  const { state, file } = await usedState(t);
  const database = new Database(file);
  database.pragma('user_version = 999');
  database.close();
  const { exitCode, stderr } = await warrenServer(inState(state));
  assert.match(stderr, /has schema 999, this Warren knows \d+; install the newer version again, or restore a backup/);
  assert.equal(exitCode, 1);
});

test('a database that is gone while its log is there is damage, no reason for a new mesh', async (t) => {
  const { state, file } = await usedState(t);
  await writeFile(`${file}-wal`, 'x'.repeat(100));
  await run(['rm', file]);
  const { exitCode, stderr } = await warrenServer(inState(state));
  assert.match(stderr, /it is missing, but .*warren\.db-wal is there.*warren server restore/);
  assert.equal(exitCode, 1);
  assert.equal(existsSync(file), false);
});

test('a disk without room for a new database is said so, with the file', { skip: !canMount }, async (t) => {
  const { exitCode, stderr } = await runOnDisk('size=64k', temporaryDirectory(t));
  assert.match(stderr, /warren: the database .*warren\.db cannot grow: its disk is full; free some space/);
  assert.equal(exitCode, 1);
});
