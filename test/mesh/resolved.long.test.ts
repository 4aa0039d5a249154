import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type LabDocker, image, makeDocker } from '../support/lab-docker.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type LabResolved, makeResolved, whyNoPlatforms } from '../support/lab-platforms.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { until } from '../support/wait.ts';

/** A host whose resolv.conf lists nothing but systemd-resolved, with a Docker engine, and another one to be found. */
const skip = whyNoPlatforms() ?? false;
let lab: Lab;
let host: LabHost;
let resolved: LabResolved;
let engine: LabDocker;

before(async () => {
  if (skip !== false) return;
  lab = await openLab();
  const other = await lab.addMember();
  const container = await other.addContainer();
  await other.warren(['dns', 'add', 'db', ...container.addresses]);
  host = await lab.addHost();
  resolved = await makeResolved(host, '10.0.0.2');
  await resolved.start();
  engine = await makeDocker(host, '20', 'nameserver 127.0.0.53\n');
  await engine.start();
  host.settings['WARREN_DOCKER'] = `unix://${engine.socket}`;
  host.settings['WARREN_RESOLVED'] = resolved.folder;
  host.settings['WARREN_RESOLV_CONF'] = join(host.dir, 'docker/resolv.conf');
  await host.join(await lab.token());
  await host.startAgent();
  await host.waitUntil('ready');
});
after(() => lab?.close());

const busctl = async (...args: string[]): Promise<string> =>
  (await host.run(['busctl', '--system', '--json=short', ...args], { env: host.settings, okCodes: 'any' })).stdout;

async function tunnelLink(): Promise<string> {
  const { stdout } = await host.run(['ip', '-j', 'link', 'show', 'dev', host.interfaceName]);
  const index = String((JSON.parse(stdout) as { ifindex: number }[])[0]?.ifindex ?? 0);
  return `/org/freedesktop/resolve1/link/_3${index}`;
}

const askHost = async (name: string, type = 'A'): Promise<string> =>
  (await host.run(['dig', '+short', '+time=2', '+tries=1', '@127.0.0.53', name, type], { okCodes: 'any' })).stdout;

const knowsNames = (): Promise<boolean> =>
  until('the host finds a name of the mesh', { seconds: 45 }, async () =>
    (await askHost('db.warren.internal')).startsWith('10.210.'),
  );

test('the host itself finds the names of the mesh, and asks the agent for nothing else', { skip }, async () => {
  await knowsNames();
  assert.match(await askHost('h1.warren.internal'), /^10\.86\./);
  const link = await tunnelLink();
  const shown = await busctl(
    'get-property',
    'org.freedesktop.resolve1',
    link,
    'org.freedesktop.resolve1.Link',
    'Domains',
    'DefaultRoute',
  );
  assert.match(shown, /\["warren.internal",true\]/);
  assert.match(shown, /"data":false/);
  const { failures } = (await host.status()) as { failures: unknown[] };
  assert.deepEqual(failures, []);
});

test('a container that Docker started finds a service of another host without a flag', { skip }, async () => {
  await engine.docker(['network', 'inspect', 'warren']);
  const asking = ['run', '--rm', '--network', 'warren', image, 'nslookup', '-type=a', 'db.warren.internal'];
  await until('the container is told', { seconds: 30 }, async () => {
    const { stdout } = await engine.docker(asking, { okCodes: 'any' });
    return /Address(?: \d+)?: 10\.210\./.test(stdout.slice(stdout.search(/^Name:/m)));
  });
});

test('resolved is told again after a restart, also when it has forgotten everything', { skip }, async () => {
  for (const isEmptied of [false, true]) {
    await resolved.stop(isEmptied ? 'SIGKILL' : 'SIGTERM');
    if (isEmptied) rmSync(join(resolved.folder, 'netif'), { recursive: true, force: true });
    await resolved.start();
    await until('names are found again', { seconds: 45 }, async () =>
      (await askHost('db.warren.internal')).startsWith('10.210.'),
    );
  }
});

test('what somebody takes back is told again, and leave takes it back for good', { skip }, async () => {
  const link = await tunnelLink();
  await busctl('call', 'org.freedesktop.resolve1', link, 'org.freedesktop.resolve1.Link', 'Revert');
  await knowsNames();
  await host.warren(['leave', '--purge']);
  assert.equal(await askHost('db.warren.internal'), '');
});
