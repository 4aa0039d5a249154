import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkHost } from '../../../agent/system/check.ts';
import { createSystem } from '../../../agent/system/run.ts';
import { WarrenError } from '../../../shared/errors.ts';
import { fakeHost } from '../../support/agent-fixture.ts';

const system = createSystem();
const failsWith = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof WarrenError && error.code === code && message.test(error.message);

test('a program runs without a shell, with its input and in the C locale', async () => {
  const { stdout } = await system.run({ argv: ['cat'], input: '$(id) `id` "x"\n' });
  assert.equal(stdout, '$(id) `id` "x"\n');
  assert.match((await system.run({ argv: ['env'] })).stdout, /^LC_ALL=C$/m);
});

test('a failure names the command and what it said, never its input', async () => {
  const argv = ['sh', '-c', 'cat >/dev/null; echo broken >&2; exit 3'] as const;
  await assert.rejects(system.run({ argv, input: 'secret' }), (error) => {
    assert.ok(failsWith('command-failed', /broken/)(error));
    assert.ok(error instanceof Error && !error.message.includes('secret'));
    return true;
  });
  assert.equal((await system.run({ argv, input: '', okCodes: [0, 3] })).exitCode, 3);
});

test('a missing program and one that takes too long are told apart', async () => {
  await assert.rejects(system.run({ argv: ['no-such-program-here'] }), failsWith('program-missing', /no-such-program/));
  await assert.rejects(system.run({ argv: ['sleep', '60'], timeoutMs: 50 }), failsWith('timeout', /50 ms/));
});

test('a daemon that keeps running does not keep its starter waiting', async () => {
  const { exitCode } = await system.run({ argv: ['sh', '-c', 'sleep 2 & exit 0'], isDetached: true, timeoutMs: 1500 });
  assert.equal(exitCode, 0);
});

test('a watch tells lines, and begins again when its program dies', async () => {
  const lines: string[] = [];
  await new Promise<void>((resolve) => {
    const watch = system.watch(['printf', 'one\\ntwo\\n'], (line) => {
      lines.push(line);
      if (lines.length === 5) resolve(watch.stop());
    });
  });
  assert.deepEqual(lines, ['one', 'two', '', 'one', 'two']);
});

test('files and switches that are not there are undefined', async () => {
  assert.equal(await system.readSysctl('net/no/such/switch'), undefined);
  assert.match((await system.readSysctl('kernel/osrelease')) ?? '', /^\d/);
  assert.equal(await system.fileExists('/no/such/file'), false);
});

test('the check of the host names every missing package, then the missing capability', async () => {
  const host = fakeHost();
  await checkHost(host.system);
  host.missingPrograms.add('wg').add('nft');
  await assert.rejects(checkHost(host.system), failsWith('program-missing', /install wireguard-tools nftables$/));
  host.missingPrograms.clear();
  host.files.set('/proc/self/status', 'CapEff:\t00000000a80425fb\n');
  await assert.rejects(checkHost(host.system), failsWith('privilege-missing', /CAP_NET_ADMIN/));
});
