import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { asksForJson } from '../../cli/args.ts';
import { exitCodeOf } from '../../cli/command.ts';
import { type ErrorCode, WarrenError, errorKinds } from '../../shared/errors.ts';
import { version } from '../../shared/version.ts';
import { runCli } from './cli-io.ts';

test('the version is the one of package.json, and stands alone on stdout', async () => {
  const { version: packaged } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  assert.equal(version, packaged);
  assert.deepEqual(await runCli(['version']), { exitCode: 0, stdout: `warren ${version}\n`, stderr: '' });
  assert.deepEqual(await runCli(['--version']), { exitCode: 0, stdout: `warren ${version}\n`, stderr: '' });
});

for (const json of [['--json'], ['-o', 'json'], ['-ojson'], ['--output=json'], ['--output', 'json']]) {
  test(`'${json.join(' ')}' asks for JSON`, async () => {
    const { exitCode, stdout } = await runCli(['version', ...json]);
    assert.equal(exitCode, 0);
    assert.equal((JSON.parse(stdout) as { version: string }).version, version);
  });
}

test("what follows '--' is no option", () => {
  assert.equal(asksForJson(['attach', '--', '--json']), false);
  assert.equal(asksForJson(['attach', '--json']), true);
});

const mistakes: [string, string[], RegExp][] = [
  ['an unknown command', ['frob'], /^warren: unknown command 'frob'.*'warren --help'\n$/],
  ['a near miss', ['tokn'], /Did you mean token\?/],
  ['an unknown subcommand', ['host', 'frob'], /^warren: .*'warren host --help'\n$/],
  ['an unknown option', ['version', '--frob'], /^warren: unknown option '--frob'; see 'warren version --help'\n$/],
  ['one argument too many', ['version', 'more'], /^warren: too many arguments.*\n$/],
  ['a missing argument', ['host', 'show'], /^warren: missing required argument 'host'/],
  ['a missing required option', ['key', 'create'], /--scope/],
  ['another output format', ['version', '-o', 'yaml'], /Allowed choices are table, json/],
  ['no server', ['host', 'ls'], /--server .*WARREN_SERVER/],
  ['no key', ['host', 'ls', '--server', 'https://127.0.0.1:1'], /--key-file FILE.*WARREN_KEY/],
  ['a plain-text server', ['host', 'ls', '--server', 'http://127.0.0.1:1'], /https:/],
  ['a server with a path', ['host', 'ls', '--server', 'https://127.0.0.1:1/x'], /without a path/],
  ['an unreadable key file', ['host', 'ls', '--server', 'https://127.0.0.1:1', '--key-file', '/nowhere'], /\/nowhere/],
  ['no number', ['token', 'create', '--uses', 'many'], /--uses must be a whole number from 1 to 100000/],
  ['nothing to change', ['host', 'set', 'web-1'], /--name, --tag, --no-tags or --relay/],
  ['a relay that is neither on nor off', ['host', 'set', 'web-1', '--relay', 'yes'], /Allowed choices are on, off/],
  ['a prefix with host bits', ['pool', 'add', '10.1.2.3/8'], /10\.0\.0\.0\/8/],
  ['a kind that is none', ['pool', 'add', '10.0.0.0/8', '--kind', 'x'], /--kind must be one of overlay, container/],
];

for (const [what, args, message] of mistakes) {
  test(`${what} is a usage error that says what to do`, async () => {
    const { exitCode, stdout, stderr } = await runCli(args);
    assert.equal(exitCode, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, message);
  });
}

test('with --json an error is a problem on stderr', async () => {
  const { exitCode, stdout, stderr } = await runCli(['frob', '--json']);
  assert.equal(exitCode, 2);
  assert.equal(stdout, '');
  const problem = JSON.parse(stderr) as Record<string, unknown>;
  assert.equal(problem['code'], 'usage-invalid');
  assert.equal(problem['title'], errorKinds['usage-invalid'].title);
});

test('help is data; a group without a command is a usage error', async () => {
  const help = await runCli(['host', '--help']);
  assert.equal(help.exitCode, 0);
  assert.match(help.stdout, /approve/);
  const group = await runCli(['host']);
  assert.equal(group.exitCode, 2);
  assert.match(group.stderr, /approve/);
});

test('a key that is none is not sent anywhere', async () => {
  const env = { WARREN_SERVER: 'https://127.0.0.1:1', WARREN_KEY: 'wrn_x\r\nhost: evil' };
  const { exitCode, stderr } = await runCli(['host', 'ls'], env);
  assert.equal(exitCode, 2);
  assert.match(stderr, /WARREN_KEY holds no API key/);
});

test('exit codes follow what an error means', () => {
  const codes = Object.keys(errorKinds) as ErrorCode[];
  const exitOf = (code: ErrorCode): number => exitCodeOf(new WarrenError(code, ''));
  for (const code of codes) {
    const { status } = errorKinds[code];
    if (status === 401 || status === 403) assert.equal(exitOf(code), 4, code);
    else if (status === 404 || status === 410) assert.equal(exitOf(code), 3, code);
    else if (status === 503 || status === 504) assert.equal(exitOf(code), 5, code);
    else if (status === 409) assert.equal(exitOf(code), 1, code);
  }
});
