import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadSettings } from '../../agent/config.ts';
import { WarrenError } from '../../shared/errors.ts';

const dir = mkdtempSync(join(tmpdir(), 'warren-config-'));
after(() => rmSync(dir, { recursive: true }));

const file = (text: string): string => {
  const path = join(dir, 'agent.yaml');
  writeFileSync(path, text);
  return path;
};
const problem = (sources: Parameters<typeof loadSettings>[0]): string => {
  try {
    loadSettings(sources);
  } catch (error) {
    assert.ok(error instanceof WarrenError && error.code === 'config-invalid');
    return error.message;
  }
  return '';
};

test('without anything said, the default instance lives in its usual places', () => {
  const settings = loadSettings({ env: {} });
  assert.equal(settings.stateDir, '/var/lib/warren/default');
  assert.equal(settings.runDir, '/run/warren/default');
  assert.equal(settings.interfaceName, 'warren0');
  assert.equal(settings.bridgeName, 'warren-br');
  assert.equal(settings.tableName, 'warren');
  assert.equal(settings.subnetEnvFile, '/run/warren/default/subnet.env');
  assert.equal(settings.pluginSocket, '/run/docker/plugins/warren.sock');
});

test('the drivers for Docker are called after the instance, elsewhere where told, or nowhere', () => {
  const socketOf = (given?: string, instance?: string) =>
    loadSettings({ flags: { instance }, env: { WARREN_PLUGIN_SOCKET: given } }).pluginSocket;
  assert.equal(socketOf(undefined, 'blue'), '/run/docker/plugins/warren-blue.sock');
  assert.equal(socketOf('/run/x/warren.sock'), '/run/x/warren.sock');
  assert.equal(socketOf('off'), undefined);
  assert.match(
    problem({ env: { WARREN_PLUGIN_SOCKET: 'on' } }),
    /WARREN_PLUGIN_SOCKET: give an absolute path, or 'off'/,
  );
});

test("Docker's engine is looked for where its own client would look on this host", () => {
  const socketOf = (given?: string, host?: string) =>
    loadSettings({ env: { WARREN_DOCKER: given, DOCKER_HOST: host } }).dockerSocket;
  assert.equal(socketOf(), '/var/run/docker.sock');
  assert.equal(socketOf('auto', 'unix:///run/user/7/docker.sock'), '/run/user/7/docker.sock');
  for (const elsewhere of ['tcp://192.0.2.1:2375', 'ssh://box', 'auto', 'unix://', '']) {
    assert.equal(socketOf(undefined, elsewhere), '/var/run/docker.sock');
  }
  assert.equal(socketOf('unix:///srv/d.sock', 'unix:///run/user/7/docker.sock'), '/srv/d.sock');
  assert.equal(socketOf('off', 'unix:///run/user/7/docker.sock'), undefined);
});

test('another instance has names of its own', () => {
  const settings = loadSettings({ flags: { instance: 'blue' }, env: {} });
  assert.deepEqual(
    [settings.interfaceName, settings.bridgeName, settings.tableName, settings.stateDir],
    ['wr-blue', 'wrb-blue', 'warren-blue', '/var/lib/warren/blue'],
  );
});

test('a flag beats the environment, which beats the file', () => {
  const config = file('interface: file0\nbridge: filebr\nlistenPort: 1\n');
  const env = { WARREN_INTERFACE: 'env0', WARREN_LISTEN_PORT: '2' };
  const settings = loadSettings({ flags: { config, listenPort: '3' }, env });
  assert.deepEqual([settings.interfaceName, settings.bridgeName, settings.listenPort], ['env0', 'filebr', 3]);
});

test('everything wrong is told at once, with line or name', () => {
  const config = file('interface: warren0\nintreface: x\nlistenPort: 70000\n');
  const told = problem({
    flags: { config },
    env: { WARREN_BRIDGE: 'way-too-long-a-name', WARREN_RUN_DIR: 'relative' },
  });
  assert.match(told, /agent\.yaml:2: unknown key 'intreface'/);
  assert.match(told, /agent\.yaml:3: listenPort/);
  assert.match(told, /WARREN_BRIDGE/);
  assert.match(told, /WARREN_RUN_DIR: give an absolute path/);
});

test('a file that is named must be there, and must be YAML', () => {
  assert.match(problem({ flags: { config: join(dir, 'none.yaml') }, env: {} }), /none\.yaml: cannot be read/);
  assert.match(problem({ flags: { config: file('a: [') }, env: {} }), /agent\.yaml:1/);
  assert.match(problem({ flags: { config: file('- a\n') }, env: {} }), /write 'key: value' lines/);
});

test("a relay's ports are a range that can be had, or the setting is refused with its name", () => {
  const portsOf = (given?: string) => loadSettings({ env: { WARREN_RELAY_PORTS: given } }).relayPorts;
  assert.deepEqual(portsOf(), { first: 51_900, last: 52_923 });
  assert.deepEqual(portsOf('40000-40001'), { first: 40_000, last: 40_001 });
  for (const wrong of ['80-90', '51900', '52000-51900', '60000-70000', '2000-60000', '51900-51900']) {
    assert.match(problem({ env: { WARREN_RELAY_PORTS: wrong } }), /WARREN_RELAY_PORTS: /, wrong);
  }
});

test('a relay takes hosts in over TLS where it is told to, and nowhere by default', () => {
  const at = (given?: string) => loadSettings({ env: { WARREN_RELAY_TLS: given } }).relayTls;
  assert.equal(at(), undefined);
  assert.equal(at('off'), undefined);
  assert.deepEqual(at('0.0.0.0:443'), { address: '0.0.0.0', port: 443 });
  for (const wrong of ['443', 'relay.example:443', '0.0.0.0:0', 'on'])
    assert.match(
      problem({ env: { WARREN_RELAY_TLS: wrong } }),
      /WARREN_RELAY_TLS: write it like 0\.0\.0\.0:443/,
      wrong,
    );
});
