import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createToken } from '../../shared/api/tokens.ts';
import { formatToken, parseToken } from '../../shared/token.ts';
import { warrenProgram } from '../support/lab-config.ts';
import { type LoopbackServer, createLoopbackServer } from '../support/loopback-server.ts';
import { runCli } from './cli-io.ts';

const dir = mkdtempSync(join(tmpdir(), 'warren-cli-join-'));
let server: LoopbackServer;

before(async () => {
  server = await createLoopbackServer(dir);
  await server.start();
});
after(async () => {
  await server.stop('SIGTERM');
  rmSync(dir, { recursive: true, force: true });
});

const newToken = async (autoApprove = true): Promise<string> =>
  (await server.call('admin')(createToken, { body: { autoApprove } })).token;
const envOf = (name: string): Record<string, string> => ({
  WARREN_STATE_DIR: join(dir, name, 'state'),
  WARREN_RUN_DIR: join(dir, name, 'run'),
});
const filesOf = (name: string): string[] => readdirSync(join(dir, name, 'state')).sort();
const whole = ['ca.crt', 'host.json', 'identity.crt', 'identity.key', 'wireguard.key'];

test('a token from WARREN_TOKEN enrolls, and stands in no file and in no output', async () => {
  const token = await newToken();
  const { exitCode, stdout, stderr } = await runCli(['join', '--name', 'by-env'], {
    ...envOf('by-env'),
    WARREN_TOKEN: token,
  });
  assert.equal(exitCode, 0, stderr);
  assert.match(stdout, /by-env/);
  assert.match(stderr, /start the agent now/);
  assert.deepEqual(filesOf('by-env'), whole);
  assert.ok(!(stdout + stderr).includes(token.slice(5, 60)));
});

test('--json tells the new host, and joining again gives the same one', async () => {
  const read = async () => {
    const { exitCode, stdout, stderr } = await runCli(['join', await newToken(), '--json'], envOf('by-argument'));
    assert.equal(exitCode, 0, stderr);
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const first = await read();
  assert.deepEqual(Object.keys(first).sort(), ['certificateExpiresAt', 'hostId', 'isAgain', 'name', 'server', 'state']);
  assert.deepEqual([first['state'], first['isAgain']], ['active', false]);
  const second = await read();
  assert.deepEqual([second['hostId'], second['isAgain']], [first['hostId'], true]);
});

test('a token file and standard input do as well', async () => {
  const file = join(dir, 'token');
  writeFileSync(file, `${await newToken()}\n`);
  const byFile = await runCli(['join', '--token-file', file, '--name', 'by-file'], envOf('by-file'));
  assert.equal(byFile.exitCode, 0, byFile.stderr);
  for (const args of [['-'], ['--token-file', '-']]) {
    const name = `by-stdin-${args.length}`;
    const argv = [...warrenProgram(), 'join', ...args, '--name', name];
    const token = await newToken();
    await new Promise<void>((resolve, reject) => {
      const child = execFile(
        argv[0] ?? '',
        argv.slice(1),
        { env: { ...process.env, ...envOf(name) } },
        (error, _, stderr) => (error === null ? resolve() : reject(new Error(stderr))),
      );
      child.stdin?.end(`${token}\n`);
    });
    assert.deepEqual(filesOf(name), whole);
  }
});

test('a host of a token without auto-approval is told to wait', async () => {
  const { exitCode, stderr } = await runCli(['join', await newToken(false), '--name', 'waits'], envOf('waits'));
  assert.equal(exitCode, 0, stderr);
  assert.match(stderr, /waits for approval: warren host approve waits/);
});

test('a truncated token is denied, and a file of it is not repeated', async () => {
  const token = await newToken();
  for (const cut of [token.slice(0, -1), token.slice(0, 40), token.slice(5), `${token}AAAA`]) {
    const { exitCode, stderr } = await runCli(['join', cut], envOf('cut'));
    assert.equal(exitCode, 4, stderr);
    assert.match(stderr, /not a whole enrollment token; copy all of/);
    assert.ok(!stderr.includes(cut.slice(5, 40)));
  }
});

test('a wrong pin ends before anything secret is sent, as a server that cannot be reached', async () => {
  const token = await newToken();
  const wrong = formatToken({ ...parseToken(token), caPin: `${'A'.repeat(43)}=` });
  const { exitCode, stderr } = await runCli(['join', wrong, '--json'], envOf('wrong-pin'));
  assert.equal(exitCode, 5);
  assert.equal((JSON.parse(stderr) as { code: string }).code, 'server-untrusted');
  const right = await runCli(['join', token, '--name', 'right-pin'], envOf('right-pin'));
  assert.equal(right.exitCode, 0, 'the token was not used up');
});

test('a used token is denied, and a server that is away is unreachable', async () => {
  const token = await newToken();
  assert.equal((await runCli(['join', token, '--name', 'first-use'], envOf('first-use'))).exitCode, 0);
  const again = await runCli(['join', token, '--name', 'second-use'], envOf('second-use'));
  assert.equal(again.exitCode, 4, again.stderr);
  const away = formatToken({ ...parseToken(token), serverUrl: 'https://127.0.0.1:1' });
  const unreachable = await runCli(['join', away], envOf('away'));
  assert.equal(unreachable.exitCode, 5, unreachable.stderr);
});
