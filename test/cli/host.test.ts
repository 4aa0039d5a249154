import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { runCli } from './cli-io.ts';

let dir: string;
const env = (): Record<string, string> => ({ WARREN_STATE_DIR: join(dir, 'state'), WARREN_RUN_DIR: join(dir, 'run') });

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'warren-cli-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const mistakes: [string, string[], RegExp][] = [
  ['join without a token', ['join'], /WARREN_TOKEN, or --token-file/],
  ['a token given twice', ['join', 'wrt1.x', '--token-file', 'f'], /not both/],
  [
    'an unreadable token file',
    ['join', '--token-file', '/nowhere/token'],
    /--token-file \/nowhere\/token cannot be read/,
  ],
  ['a host name with a newline', ['join', 'wrt1.x', '--name', 'web\n[Peer]'], /not a host name/],
  ['a host name that looks like an option', ['join', 'wrt1.x', '--name=-web'], /not a host name/],
  ['a reserved host name', ['join', 'wrt1.x', '--name', 'localhost'], /reserved/],
  ['an advertised prefix with host bits', ['join', 'wrt1.x', '--advertise', '192.168.7.1/24'], /192\.168\.7\.0\/24/],
  ['a weight that is none', ['join', 'wrt1.x', '--advertise', '192.168.7.0/24#x'], /[Ww]eight|65535/],
  ['an endpoint by name', ['join', 'wrt1.x', '--endpoint', 'vpn.example.org:51820'], /endpoint/],
  [
    'a listen port beyond the last',
    ['join', 'wrt1.x', '--listen-port', '65536'],
    /--listen-port must be a whole number/,
  ],
  ['an instance name with a slash', ['status', '--instance', '../x'], /not an instance name/],
  ['an interface name that is too long', ['agent', '--interface', 'a'.repeat(16)], /--interface: .*15 characters/],
  ['an unknown check', ['status', '--check', 'happy'], /ready, live/],
  ['a target without its kind', ['attach', 'c1'], /netns:|pid:/],
  ['a namespace out of its folder', ['attach', 'netns:../../etc'], /netns/],
  ['a process that cannot be', ['attach', 'pid:-1'], /pid/],
  ['too many pings', ['ping', 'web-1', '--count', '101'], /--count must be a whole number from 1 to 100/],
  ['ping without a host', ['ping'], /missing required argument 'host'/],
];

for (const [what, args, message] of mistakes) {
  test(`${what} is a usage error that says what to do`, async () => {
    const { exitCode, stdout, stderr } = await runCli(args, env());
    assert.equal(exitCode, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, message);
    assert.match(stderr, /^warren: [^\n]*\n$/);
  });
}

for (const args of [['status'], ['ping', 'web-1'], ['attach', 'netns:c1'], ['attach', 'ls'], ['detach', 'netns:c1']]) {
  test(`'warren ${args.join(' ')}' without an agent says how to start one, and exits 5`, async () => {
    const { exitCode, stdout, stderr } = await runCli(args, env());
    assert.deepEqual([exitCode, stdout], [5, '']);
    assert.match(stderr, /no agent answers on .*run\/agent\.sock; start it with/);
  });
}

test('with --json the same is a problem with its code', async () => {
  const { exitCode, stderr } = await runCli(['status', '--json'], env());
  assert.equal(exitCode, 5);
  assert.equal((JSON.parse(stderr) as { code: string }).code, 'agent-not-running');
});

for (const check of ['ready', 'live']) {
  test(`'status --check ${check}' answers 1 where no agent runs, as for any other reason`, async () => {
    const { exitCode, stderr } = await runCli(['status', '--check', check], env());
    assert.equal(exitCode, 1);
    assert.match(stderr, new RegExp(`not ${check}: no agent answers`));
  });
}

test('leave on a machine that is not enrolled says so; with --purge there is nothing to fail at', async () => {
  const plain = await runCli(['leave'], env());
  assert.equal(plain.exitCode, 1);
  assert.match(plain.stderr, /not enrolled.*warren join TOKEN/);
  const purge = await runCli(['leave', '--purge'], env());
  assert.equal(purge.exitCode, 0, purge.stderr);
});

test('a default route cannot be advertised', async () => {
  const { exitCode, stderr } = await runCli(['join', 'wrt1.x', '--advertise', '0.0.0.0/0'], env());
  assert.equal(exitCode, 1);
  assert.match(stderr, /0\.0\.0\.0\/0 is too wide for a mesh/);
});
