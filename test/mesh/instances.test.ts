import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { interfacePrefix, namespacePrefix } from '../support/lab-cleanup.ts';
import { warrenProgram } from '../support/lab-config.ts';
import { type LabHost, createLabHost } from '../support/lab-host.ts';
import { type LabServer, createLabServer } from '../support/lab-server.ts';
import { type Lab, openMesh, pairs } from '../support/lab.ts';
import { startTraffic } from '../support/traffic.ts';

/** Two machines, each a host of two meshes: instance `default` in the lab's own, instance `two` in another server's. */
let lab: Lab;
let seconds: LabHost[];

before(async () => {
  lab = await openMesh(2);
  const other = await openOtherServer();
  const token = await other.makeToken('--uses', '2');
  seconds = [];
  for (const host of lab.hosts) seconds.push(await joinSecond(host, token));
});
after(() => lab?.close());

async function openOtherServer(): Promise<LabServer> {
  const dir = join(lab.dir, 'other');
  mkdirSync(dir);
  const pools = ['WARREN_OVERLAY_POOL=10.87.0.0/16', 'WARREN_CONTAINER_POOL=10.211.0.0/16'];
  const program = ['env', ...pools, ...warrenProgram()];
  const namespace = `${namespacePrefix(lab.id)}other`;
  const server = createLabServer({ program, namespace, address: '10.0.0.3', dir });
  await lab.underlay.connect(namespace, '10.0.0.3');
  await server.start();
  return server;
}

async function joinSecond(host: LabHost, token: string): Promise<LabHost> {
  const dir = join(lab.dir, `${host.name}-two`);
  mkdirSync(dir);
  const { namespace, address } = host;
  const interfaceName = `${interfacePrefix(lab.id)}b${lab.hosts.indexOf(host)}`;
  const program = ['env', 'WARREN_INSTANCE=two', ...warrenProgram()];
  const second = createLabHost({ program, name: `${host.name}-two`, namespace, address, interfaceName, dir });
  await second.join(token);
  await second.startAgent();
  await second.waitUntil('ready');
  return second;
}

test('both instances of a machine are ready, on ports, bridges and tables of their own', async () => {
  const [first] = lab.hosts;
  assert.ok(first !== undefined);
  for (const host of [...lab.hosts, ...seconds]) await host.waitUntil('ready');
  const links = (await first.run(['ip', '-br', 'link'])).stdout;
  assert.match(links, /^warren-br /m);
  assert.match(links, /^wrb-two /m);
  const tables = (await first.run(['nft', 'list', 'tables'])).stdout;
  assert.match(
    tables,
    /table inet warren\n[\s\S]*table inet warren-two|table inet warren-two\n[\s\S]*table inet warren$/m,
  );
});

test('hosts of the second mesh reach each other through it', async () => {
  const [one, two] = seconds;
  const { stdout } = (await one?.warren(['ping', two?.name ?? '', '-c', '3', '--json'])) ?? { stdout: '' };
  assert.match(stdout, /"received": 3/);
});

test('one instance leaves, and the other loses no packet', async () => {
  const [from, to] = pairs(lab.hosts.flatMap((host) => host.containers))[0] ?? [];
  assert.ok(from !== undefined && to !== undefined);
  const traffic = await startTraffic(from, to);
  for (const host of seconds) await host.warren(['leave', '--purge']);
  assert.deepEqual((await traffic.stop()).lost, []);
  const links = (await lab.hosts[0]?.run(['ip', '-br', 'link']))?.stdout ?? '';
  assert.match(links, /^warren-br /m);
  assert.doesNotMatch(links, /^wrb-two /m);
});
