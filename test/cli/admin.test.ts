import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type TestServer, startTestServer } from '../server/http/test-server.ts';
import { type Outcome, runCli } from './cli-io.ts';

let server: TestServer;
let url: string;

before(async () => {
  server = await startTestServer();
  url = `https://127.0.0.1:${server.server.port}`;
});

after(() => server.stop());

const env = (): Record<string, string> => ({
  WARREN_SERVER: url,
  WARREN_KEY_FILE: join(server.stateDir, 'admin.key'),
  WARREN_CA: join(server.stateDir, 'ca.crt'),
});

const warren = (...args: string[]): Promise<Outcome> => runCli(args, env());

async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr } = await warren(...args, '--json');
  assert.equal(exitCode, 0, stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
}

const itemsOf = (list: Record<string, unknown>): Record<string, unknown>[] =>
  list['items'] as Record<string, unknown>[];

test('a host is pre-registered, shown by name and by id, changed and removed', async () => {
  const made = await json('host', 'add', 'web-1', '--tag', 'eu', '--tag', 'web');
  assert.deepEqual([made['name'], made['state'], made['tags']], ['web-1', 'registered', ['eu', 'web']]);
  assert.deepEqual(await json('host', 'show', 'web-1'), made);
  assert.deepEqual(await json('host', 'show', String(made['id'])), made);
  const renamed = await json('host', 'set', 'web-1', '--name', 'web-2', '--no-tags');
  assert.deepEqual([renamed['name'], renamed['tags']], ['web-2', []]);
  assert.deepEqual(itemsOf(await json('host', 'ls', '--state', 'registered')).length, 1);
  assert.equal((await warren('host', 'rm', 'web-2')).exitCode, 0);
  const gone = await warren('host', 'show', 'web-2');
  assert.equal(gone.exitCode, 3);
  assert.match(gone.stderr, /no host is called 'web-2'/);
});

test('a host is made a relay and is none again; list and record say so', async () => {
  const { name } = await server.enroll({ isPending: false });
  const relay = await json('host', 'set', name, '--relay', 'on');
  assert.deepEqual([relay['name'], relay['isRelay'], relay['nat']], [name, true, 'unknown']);
  assert.match((await warren('host', 'show', name)).stdout, /^relay: +yes$/m);
  assert.match((await warren('host', 'ls')).stdout, /\bRELAY\b/i);
  assert.equal((await json('host', 'set', name, '--relay', 'off'))['isRelay'], false);
  assert.match((await warren('host', 'show', name)).stdout, /^relay: +no$/m);
});

test('hosts go from pending to active, are disabled, enabled and asked for another key', async () => {
  const { name, id } = await server.enroll({ isPending: true });
  for (const [verb, state] of [
    ['approve', 'active'],
    ['disable', 'disabled'],
    ['enable', 'active'],
  ] as const) {
    assert.equal((await json('host', verb, name))['state'], state);
  }
  assert.equal((await json('host', 'rotate', id))['isRotationDue'], true);
  const { stdout } = await warren('host', 'ls');
  assert.match(stdout, /^NAME +ID +STATE/);
  assert.match(stdout, new RegExp(`^${name} +${id} +active`, 'm'));
});

test('a subnet is named by its prefix, and by its host where two advertise it', async () => {
  const [one, two] = [await server.enroll(), await server.enroll()];
  const made = await json('subnet', 'add', one.name, '192.168.7.0/24', '--weight', '5');
  assert.deepEqual([made['state'], made['weight']], ['approved', 5]);
  assert.equal((await json('subnet', 'reject', '192.168.7.0/24'))['state'], 'rejected');
  assert.equal((await json('subnet', 'approve', String(made['id']), '--weight', '7'))['weight'], 7);
  await json('subnet', 'add', two.name, '192.168.7.0/24');
  const ambiguous = await warren('subnet', 'rm', '192.168.7.0/24');
  assert.equal(ambiguous.exitCode, 2);
  assert.match(ambiguous.stderr, /--host/);
  assert.equal((await warren('subnet', 'rm', '192.168.7.0/24', '--host', two.name)).exitCode, 0);
  assert.equal((await json('subnet', 'set', '192.168.7.0/24', '--weight', '1'))['weight'], 1);
  assert.equal(itemsOf(await json('subnet', 'ls', '--host', one.name)).length, 1);
  assert.equal((await warren('subnet', 'approve', '192.168.8.0/24')).exitCode, 3);
});

test('a pool is added and listed; one that overlaps is a failure', async () => {
  assert.equal((await json('pool', 'add', '10.99.0.0/16', '--lease-length', '25'))['leaseLength'], 25);
  assert.match((await warren('pool', 'ls')).stdout, /^10\.99\.0\.0\/16 +container +\/25/m);
  assert.equal((await warren('pool', 'add', '10.99.1.0/24')).exitCode, 1);
});

test('the token alone is on stdout; only a person at a terminal is told the install command besides', async () => {
  const args = ['token', 'create', '--uses', '2', '--expires', '30m', '--name', 'rack 1'];
  const { stdout, stderr } = await warren(...args);
  assert.match(stdout, /^wrt1\.[A-Za-z0-9_-]+\n$/);
  assert.equal(stderr, '');
  const shown = await runCli(['token', 'create'], env(), true);
  assert.match(shown.stdout, /^wrt1\.[A-Za-z0-9_-]+\n$/);
  assert.match(shown.stderr, /curl .*install\.sh/);
  const listed = itemsOf(await json('token', 'ls')).find((one) => one['name'] === 'rack 1');
  assert.equal(listed?.['usesLeft'], 2);
  assert.ok(!JSON.stringify(listed).includes(stdout.trim()));
  assert.equal((await warren('token', 'revoke', String(listed?.['id']))).exitCode, 0);
  assert.match((await warren('token', 'ls')).stdout, /revoked/);
});

test('a key works until it is revoked, and only as far as its scope', async () => {
  const { stdout } = await warren('key', 'create', '--scope', 'read', '--expires', 'never');
  const asReader = { ...env(), WARREN_KEY: stdout.trim(), WARREN_KEY_FILE: '' };
  assert.equal((await runCli(['host', 'ls'], asReader)).exitCode, 0);
  const denied = await runCli(['host', 'add', 'web-9'], asReader);
  assert.equal(denied.exitCode, 4);
  const key = itemsOf(await json('key', 'ls')).find((one) => one['scope'] === 'read');
  assert.equal(key?.['expiresAt'], null);
  assert.equal((await warren('key', 'revoke', String(key?.['id']))).exitCode, 0);
  assert.equal((await runCli(['host', 'ls'], asReader)).exitCode, 4);
});

test('the audit tells who did it, oldest first', async () => {
  await json('host', 'add', 'audited');
  const entries = itemsOf(await json('audit', '--limit', '5'));
  assert.equal(entries.length, 5);
  assert.equal(entries.at(-1)?.['action'], 'host.create');
  assert.match(String(entries.at(-1)?.['actor']), /^key:k/);
});

test('--follow prints each new entry as it is committed', async () => {
  const script = fileURLToPath(new URL('../../cli/warren.ts', import.meta.url));
  const args = ['--import', import.meta.resolve('tsx'), script, 'audit', '--follow', '--limit', '1', '--json'];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env() },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> =>
    (JSON.parse(String((await lines.next()).value)) as { action: unknown }).action;
  assert.equal(await next(), 'host.create');
  const { id } = await json('host', 'add', 'followed');
  assert.equal(await next(), 'host.create');
  await warren('host', 'rm', String(id));
  assert.equal(await next(), 'host.remove');
  child.kill();
});

test('without the CA the server is not trusted, and the message says how to', async () => {
  const { exitCode, stderr } = await runCli(['host', 'ls'], { ...env(), WARREN_CA: '' });
  assert.equal(exitCode, 5);
  assert.match(stderr, /not trusted .*--ca/);
});

test('a server of another CA is not trusted, and gets no key', async () => {
  const other = await startTestServer();
  const asked = env();
  const foreign = join(server.stateDir, 'foreign.crt');
  await writeFile(foreign, other.ca);
  const { exitCode } = await runCli(['host', 'ls'], { ...asked, WARREN_CA: foreign });
  await other.stop();
  assert.equal(exitCode, 5);
});

test('a server that is not there is unreachable', async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  await new Promise((resolve) => silent.close(resolve));
  const { exitCode, stderr } = await runCli(['host', 'ls', '--server', `https://127.0.0.1:${port}`], env());
  assert.equal(exitCode, 5);
  assert.match(stderr, /cannot be reached \(connect ECONNREFUSED/);
});
