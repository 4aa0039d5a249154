import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type LabDocker, image, makeDocker } from '../support/lab-docker.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { until } from '../support/wait.ts';

let lab: Lab;
let here: LabHost;
let far: LabHost;
let engine: LabDocker;
/** On the mesh, and on the default bridge as well. */
let onMesh: string;
let onBridge: string;

const exposed = ['8080', '53/udp', '53/tcp', '5000-5002', '5001/udp', '9000-9001/udp'];
const environment = ['PG=1', 'EMPTY=', 'A=b=c', 'SPACES=a  b', 'QUOTED="x" $HOME', 'PATH=/bin', 'HOME=/root'];

before(async () => {
  lab = await openLab();
  here = await lab.addHost('h1');
  far = await lab.addHost('h2');
  engine = await makeDocker(here);
  here.settings['WARREN_DOCKER'] = `unix://${engine.socket}`;
  const resolvConf = join(here.dir, 'resolv.conf');
  writeFileSync(resolvConf, 'nameserver 10.0.0.2\n');
  here.settings['WARREN_RESOLV_CONF'] = resolvConf;
  await Promise.all(lab.hosts.map(async (host) => host.join(await lab.token())));
  // The engine takes the servers of the machine; here the one that stands in the host's list.
  await Promise.all([engine.start('--dns=10.0.0.2'), here.startAgent(), far.startAgent()]);
  await Promise.all(lab.hosts.map((host) => host.waitUntil('ready')));
  await until('the network is there', { seconds: 20 }, async () =>
    (await engine.docker(['network', 'ls', '--format', '{{.Name}}'])).stdout.split('\n').includes('warren'),
  );
  const options = [...exposed.flatMap((one) => ['--expose', one]), ...environment.flatMap((one) => ['-e', one])];
  onMesh = (await engine.addContainer('db', [...options, '--label', 'warren.env=PG,A'])).addresses[0] ?? '';
  await engine.docker(['network', 'connect', 'bridge', 'db']);
  const format = '{{(index .NetworkSettings.Networks "bridge").IPAddress}}';
  onBridge = (await engine.docker(['inspect', '-f', format, 'db'])).stdout.trim();
});
after(() => lab.close());

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');

test('a container of this host is told byte for byte as its engine tells a linked container', async () => {
  for (const [alias, prefix] of [
    ['db', 'DB_'],
    ['my-data-1', 'MY_DATA_1_'],
  ] as const) {
    const link = ['run', '--rm', '--name', 'web', '--link', `db:${alias}`, image, '/bin/env'];
    const printed = linesOf((await engine.docker(link)).stdout).filter((line) => line.startsWith(prefix));
    assert.ok(printed.length > 20);
    const { stdout } = await here.warren(['env', 'db', '--alias', alias, '--for', 'web']);
    assert.equal(stdout.trimEnd().replaceAll(onMesh, onBridge), printed.join('\n'));
  }
});

test('on another host the ports are the same, and of the environment there is what the container shares', async () => {
  await until('the other host knows it', { seconds: 10 }, async () => {
    const { stdout } = await far.warren(['env', 'db', '--for', 'web'], { okCodes: 'any' });
    return stdout !== '';
  });
  const [local, remote] = await Promise.all(
    [here, far].map(async (host) => linesOf((await host.warren(['env', 'db', '--for', 'web'])).stdout)),
  );
  const isEnvironment = (line: string): boolean => line.startsWith('DB_ENV_');
  assert.deepEqual(remote?.filter(isEnvironment).toSorted(), ['DB_ENV_A=b=c', 'DB_ENV_PG=1']);
  // In the container's own order, which the engine does not always keep to that of its command line.
  assert.deepEqual(
    remote?.filter(isEnvironment),
    local?.filter((line) => /^DB_ENV_(?:A|PG)=/.test(line)),
  );
  assert.deepEqual(
    remote?.filter((line) => !isEnvironment(line)),
    local?.filter((line) => !isEnvironment(line)),
  );
});

test("a container finds the mesh's names through its engine's resolver, without a flag of its own", async () => {
  await far.warren(['dns', 'add', 'printer', await overlayOf(far)]);
  for (const name of ['h2.warren.internal', 'printer.warren.internal', 'printer']) {
    await until(`${name} is found`, { seconds: 10 }, async () => {
      const { stdout } = await engine.docker(['exec', 'db', 'nslookup', name], { okCodes: 'any' });
      return stdout.includes(await overlayOf(far));
    });
  }
  const unknown = await engine.docker(['exec', 'db', 'nslookup', 'nobody.warren.internal'], { okCodes: 'any' });
  assert.match(unknown.stdout + unknown.stderr, /NXDOMAIN/);
});

test('a container that dies is no instance any more, here and on the other host', async () => {
  await engine.docker(['kill', 'db']);
  for (const host of lab.hosts) {
    await until(`${host.name} knows`, { seconds: 10 }, async () => {
      const { exitCode } = await host.warren(['dns', 'query', 'db.warren.internal'], { okCodes: 'any' });
      return exitCode === 3;
    });
  }
});

async function overlayOf(host: LabHost): Promise<string> {
  const [address] = (await host.status())['addresses'] as string[];
  assert.ok(address);
  return address;
}
