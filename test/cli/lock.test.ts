import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import Database from 'better-sqlite3';
import { parseToken } from '../../shared/token.ts';
import { type TestHost, type TestServer, startTestServer } from '../server/http/test-server.ts';
import { type Outcome, runCli } from './cli-io.ts';

let server: TestServer;
let dir: string;
let one: TestHost;

before(async () => {
  server = await startTestServer();
  dir = mkdtempSync(join(tmpdir(), 'warren-lock-cli-'));
  one = await server.enroll();
});
after(async () => {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

const as =
  (admin: string) =>
  (...args: string[]): Promise<Outcome> =>
    runCli(args, {
      WARREN_SERVER: `https://127.0.0.1:${server.server.port}`,
      WARREN_KEY_FILE: join(server.stateDir, 'admin.key'),
      WARREN_CA: join(server.stateDir, 'ca.crt'),
      HOME: join(dir, admin),
    });
const ada = as('ada');
const bob = as('bob');

async function good(outcome: Promise<Outcome>): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr } = await outcome;
  assert.equal(exitCode, 0, stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function refused(exit: number, why: RegExp, outcome: Promise<Outcome>): Promise<void> {
  const { exitCode, stderr } = await outcome;
  assert.match(stderr, why);
  assert.equal(exitCode, exit, stderr);
}

const stateOf = async (id: string): Promise<string> => {
  const { json } = await server.ask(`/api/v1/hosts/${id}`, { key: server.adminKey });
  return String(json['state']);
};

test('a mesh that is not locked says so, and nothing can be signed in it', async () => {
  assert.deepEqual(await good(ada('lock', 'status', '--json')), { isLocked: false });
  await refused(1, /not locked/, ada('lock', 'sign', '--all'));
  assert.equal(parseToken(String((await good(ada('token', 'create', '--json')))['token'])).lockRoot, undefined);
});

test('init makes a key for its owner alone, and hosts are signed by name or all', async () => {
  const made = await good(ada('lock', 'init', '--label', 'ada', '--json'));
  assert.equal(statSync(join(dir, 'ada', '.config', 'warren', 'lock.key')).mode & 0o777, 0o600);
  await refused(1, /locked already/, ada('lock', 'init'));
  const before = await good(ada('lock', 'status', '--json'));
  assert.deepEqual([before['root'], before['height']], [made['root'], 1]);
  assert.match((await ada('lock', 'status')).stdout, new RegExp(`${one.name} +${one.id} +active +not signed`));
  await good(ada('lock', 'sign', '--all', '--json'));
  assert.match((await ada('lock', 'status')).stdout, new RegExp(`${one.name} +${one.id} +active +signed`));
  assert.match((await ada('lock', 'sign', '--all')).stdout, /nothing to sign/);
  assert.match((await ada('lock', 'log')).stdout, new RegExp(`^1 .* ada +host +${one.name} ${one.id} `, 'm'));
});

test('a machine that enrolls into a locked mesh waits for its signature, whatever its token says', async () => {
  const two = await server.enroll();
  assert.equal(await stateOf(two.id), 'pending');
  assert.match((await ada('host', 'ls', '--pending')).stdout, new RegExp(two.name));
  await good(ada('lock', 'sign', two.name, '--json'));
  assert.equal(await stateOf(two.id), 'active');
  await refused(3, /no host that has enrolled/, ada('lock', 'sign', 'nobody'));
});

test('a token carries the root that the admin’s machine has seen', async () => {
  const { root } = (await good(ada('lock', 'status', '--json'))) as { root: string };
  const made = await good(ada('token', 'create', '--json'));
  assert.equal(parseToken(String(made['token'])).lockRoot, root);
  assert.ok(String(made['installCommand']).includes(String(made['token'])));
});

test('another admin’s key signs once it is admitted, on a machine that was told the root', async () => {
  const { root } = (await good(ada('lock', 'status', '--json'))) as { root: string };
  const { key } = (await good(bob('lock', 'key', '--json'))) as { key: string };
  await refused(2, /--root/, bob('lock', 'sign', one.name));
  await refused(1, /none of the lock's/, bob('lock', 'sign', one.name, '--root', root));
  await good(ada('lock', 'add-key', key, '--label', 'bob', '--json'));
  await good(bob('lock', 'sign', one.name, '--expires', '90d', '--json'));
  await good(bob('lock', 'remove-key', 'bob', '--json'));
  await refused(1, /none of the lock's/, bob('lock', 'sign', one.name));
  await refused(1, /last key/, ada('lock', 'remove-key', 'ada'));
});

test('a host that is revoked is not signed, and needs a new entry', async () => {
  await good(ada('lock', 'revoke', one.name, '--json'));
  assert.match((await ada('lock', 'status')).stdout, new RegExp(`${one.id} +active +not signed`));
  await good(ada('lock', 'sign', one.name, '--json'));
});

test('a log that a server lost in part is seen, and pushed again from a file', async () => {
  const { stdout } = await ada('lock', 'log', '--json');
  const file = join(dir, 'log.json');
  writeFileSync(file, stdout);
  const { entries } = JSON.parse(stdout) as { entries: unknown[] };
  const database = new Database(join(server.stateDir, 'warren.db'));
  database.prepare('DELETE FROM lock_entry WHERE n >= ?').run(entries.length - 2);
  database.close();
  await refused(1, /is not the one whose entry/, ada('lock', 'status'));
  await refused(1, /is not the one whose entry/, ada('lock', 'sign', one.name));
  await good(ada('lock', 'push', file, '--json'));
  assert.equal((await good(ada('lock', 'status', '--json')))['height'], entries.length);
});

test('a lock that is given up is followed by another, on purpose', async () => {
  const { root } = (await good(ada('lock', 'status', '--json'))) as { root: string };
  const next = await good(ada('lock', 'init', '--replace', '--json'));
  assert.notEqual(next['root'], root);
  await refused(1, /has the root .* in place of/, bob('lock', 'status'));
});
