import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadServerConfig } from '../../../server/config.ts';

let dir = '';
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'warren-config-'));
});
after(() => rm(dir, { recursive: true, force: true }));

async function file(text: string): Promise<string> {
  const path = join(dir, 'server.yaml');
  await writeFile(path, text);
  return path;
}

async function problemsOf(text: string, env: Record<string, string> = {}, flags = {}): Promise<string[]> {
  const config = await file(text);
  try {
    await loadServerConfig({ flags: { config, ...flags }, env });
    return [];
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error);
    assert.equal(error.code, 'config-invalid');
    return error.message.replaceAll(config, 'FILE').split('\n');
  }
}

test('without anything the defaults hold', async () => {
  const config = await loadServerConfig({ flags: { config: await file('') }, env: {} });
  assert.deepEqual(config.listen, { host: '0.0.0.0', port: 8443 });
  assert.equal(config.url, `https://${hostname().toLowerCase()}:8443`);
  assert.deepEqual(config.metricsListen, { host: '127.0.0.1', port: 9464 });
  assert.equal(config.reflector, undefined);
  assert.equal(config.overlayPool, '10.86.0.0/16');
  assert.equal(config.domain, 'warren.internal');
  assert.equal(config.distDir, fileURLToPath(new URL('../../../out/dist', import.meta.url)));
});

test('backups are off until they have a directory; then they are daily, seven and open', async () => {
  const config = await file('');
  assert.equal((await loadServerConfig({ flags: { config }, env: {} })).backups, undefined);
  const { backups } = await loadServerConfig({ flags: { config }, env: { WARREN_BACKUP_DIR: '/b' } });
  assert.deepEqual(backups, { directory: '/b', everyMinutes: 1440, keep: 7, recipients: [] });
  assert.deepEqual(await problemsOf('backupKeep: 0\nbackupRecipients: wrnbackup_x\nbackupEveryMinutes: 1h\n'), [
    'FILE:3: backupEveryMinutes: give a whole number from 1 to 527040',
    'FILE:1: backupKeep: give a whole number from 1 to 10000',
    'FILE:2: backupRecipients: a backup key is written wrnbackup_… as `warren server backup-key FILE` prints it, whole',
  ]);
});

test('a flag wins over the environment, that over the file, that over the default', async () => {
  const config = await file('mtu: 1300\nlogLevel: warn\nkeepaliveSeconds: 5\n');
  const env = { WARREN_LOG_LEVEL: 'debug', WARREN_MTU: '1310', WARREN_KEEPALIVE_SECONDS: '', WARREN_LISTEN: '[::]:1' };
  const loaded = await loadServerConfig({ flags: { config, mtu: '1320' }, env });
  assert.equal(loaded.mtu, 1320);
  assert.equal(loaded.logLevel, 'debug');
  assert.equal(loaded.keepaliveSeconds, 5);
  assert.deepEqual(loaded.listen, { host: '::', port: 1 });
});

test('every problem is told at once, with the line or the variable it stands in', async () => {
  const text = '# comment\nlisten: 1.2.3:80\n\nmtu: 100\ncolour: red\nurl: http://a\noverlayPool: 10.0.0.1/8\n';
  const problems = await problemsOf(text, { WARREN_LOG_LEVEL: 'loud' }, { state: '' });
  assert.equal(problems.length, 7, problems.join('\n'));
  for (const start of [
    "FILE:5: unknown setting 'colour'",
    'FILE:2: listen: ',
    'FILE:4: mtu: ',
    'FILE:6: url: ',
    'FILE:7: overlayPool: ',
    'WARREN_LOG_LEVEL: ',
    '--state: ',
  ]) {
    assert.ok(
      problems.some((problem) => problem.startsWith(start)),
      `${start} in ${problems.join('\n')}`,
    );
  }
});

test('a domain is two labels or more, lower case, so that it can stand in a zone and in resolv.conf', async () => {
  for (const domain of ['mesh.example', 'a.b.c.example', 'warren-1.internal']) {
    assert.deepEqual(await problemsOf(`domain: ${domain}\n`), []);
  }
  for (const domain of ['internal', 'Mesh.example', 'mesh.example.', '-a.example', 'a..b', '10.0.0.1', 'ä.example']) {
    assert.match((await problemsOf(`domain: ${domain}\n`))[0] ?? '', /^FILE:1: domain: .*is not a domain/, domain);
  }
});

test('the reflector is on, off, or somewhere else', async () => {
  for (const [text, wanted] of [
    ['on', 'on'],
    ['off', 'off'],
    ['[::1]:3478', { host: '::1', port: 3478 }],
  ] as const) {
    const config = await loadServerConfig({ flags: { config: await file(`reflector: '${text}'\n`) }, env: {} });
    assert.deepEqual(config.reflector, wanted);
  }
  assert.match(
    (await problemsOf('reflector: maybe\n'))[0] ?? '',
    /^FILE:1: reflector: write on, off or .*0\.0\.0\.0:8443/,
  );
});

test('files that are not plain settings are problems', async () => {
  for (const text of [
    '- a\n',
    'mtu: 1300\nmtu: 1301\n',
    'mtu: [1]\n',
    'mtu: {a: 1}\n',
    'mtu:\n',
    'a: &x 1\nmtu: *x\n',
    '{',
  ]) {
    assert.notEqual((await problemsOf(text)).length, 0, text);
  }
});

test('values are the text that stands there, not what YAML makes of it', async () => {
  assert.match((await problemsOf('mtu: 0x514\n'))[0] ?? '', /^FILE:1: mtu: /);
  assert.match((await problemsOf('mtu: 1.3e3\n'))[0] ?? '', /^FILE:1: mtu: /);
});

test('a file that was named must be there', async () => {
  const flags = { config: join(dir, 'missing.yaml') };
  await assert.rejects(loadServerConfig({ flags, env: {} }), { code: 'config-invalid' });
});
