import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { execa } from 'execa';
import { findDistFile, readDist } from '../../../server/web/dist-files.ts';
import { readInstallTemplate, renderInstallScript } from '../../../server/web/install.ts';
import { type TestServer, startTestServer } from '../http/test-server.ts';

let server: TestServer;
let folder: string;
const executable = randomBytes(5000);
const packed = randomBytes(3000);

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const entry = (file: string, bytes: Buffer) => ({ file, sha256: sha256(bytes), bytes: bytes.length });
const builds = [
  {
    machine: 'x86_64',
    executable: entry('warren-linux-x86_64', executable),
    packed: entry('warren-linux-x86_64.gz', packed),
  },
];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'warren-dist-'));
  await writeFile(join(folder, 'warren-linux-x86_64'), executable);
  await writeFile(join(folder, 'warren-linux-x86_64.gz'), packed);
  await writeFile(join(folder, 'manifest.json'), JSON.stringify({ version: '0.1.0', builds }));
  server = await startTestServer();
});

after(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

test('a directory without a manifest has nothing to serve', async () => {
  assert.equal((await readDist(folder))?.directory, folder);
  assert.equal(await readDist('/nowhere'), undefined);
});

test('only what the manifest names is found', async () => {
  const dist = await readDist(folder);
  assert.ok(dist !== undefined);
  assert.equal((await findDistFile(dist, 'warren-linux-x86_64'))?.entry.bytes, 5000);
  for (const name of ['manifest.json', '../etc/passwd', '..', '', 'warren-linux-x86_64/', 'WARREN-LINUX-X86_64']) {
    assert.equal(await findDistFile(dist, name), undefined, name);
  }
});

test('a file of another size than its manifest says is not served', async () => {
  const other = { ...builds[0], packed: { ...entry('warren-linux-x86_64.gz', packed), bytes: 1 } };
  const dist = { directory: folder, manifest: { version: '0.1.0', builds: [other as (typeof builds)[0]] } };
  await assert.rejects(findDistFile(dist, 'warren-linux-x86_64.gz'), /build:agent/);
});

const values = {
  serverUrl: 'https://warren.example.org:8443',
  serverPin: randomBytes(32).toString('base64'),
  version: '0.1.0',
  builds,
};

test('the script is whole POSIX shell with every value filled in', async () => {
  const script = renderInstallScript(await readInstallTemplate(), values);
  assert.doesNotMatch(script, /@[A-Z_]+@/);
  assert.match(script, /^server_url='https:\/\/warren\.example\.org:8443'$/m);
  assert.ok(script.includes(`x86_64 warren-linux-x86_64.gz ${sha256(packed)} ${sha256(executable)}`));
  assert.match(script, /^ExecStart=\/usr\/local\/bin\/warren agent$/m);
  await execa('sh', ['-n'], { input: script });
});

test('a download that was cut off anywhere does nothing', async () => {
  const script = renderInstallScript(await readInstallTemplate(), values);
  for (let part = 1; part < 20; part += 1) {
    const cut = script.slice(0, Math.floor((script.length * part) / 20));
    const { stdout } = await execa('sh', [], { input: cut, reject: false, env: { WARREN_TOKEN: 'x' } });
    assert.equal(stdout, '');
  }
});

for (const serverUrl of ["https://a';reboot;'", 'https://a b', 'http://a', 'https://a/$(reboot)', 'https://a\n']) {
  test(`a url like ${JSON.stringify(serverUrl)} never gets into the script`, async () => {
    const template = await readInstallTemplate();
    assert.throws(() => renderInstallScript(template, { ...values, serverUrl }));
  });
}

test('anyone may read the script; it names this server', async () => {
  const { status, text, headers } = await server.ask('/install.sh');
  assert.equal(status, 200);
  assert.match(String(headers['content-type']), /^text\/x-shellscript/);
  assert.match(text, /^server_url='https:\/\/127\.0\.0\.1:\d+'$/m);
});

for (const name of ['..%2f..%2fpackage.json', '%2fetc%2fpasswd', '..', '.%2e/package.json', 'nothing', '%00']) {
  test(`'/dist/${name}' is not there`, async () => {
    const { status } = await server.ask(`/dist/${name}`);
    assert.ok(status === 404 || status === 400, String(status));
  });
}
