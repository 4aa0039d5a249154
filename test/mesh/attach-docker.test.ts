/** Containers of a real Docker engine, attached by name: it lasts over their restarts and ends when they are removed. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type LabDocker, image, inspect, makeDocker } from '../support/lab-docker.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { until } from '../support/wait.ts';

let lab: Lab;
let host: LabHost;
let engine: LabDocker;

before(async () => {
  lab = await openLab();
  host = await lab.addHost('h1');
  engine = await makeDocker(host);
  host.settings['WARREN_DOCKER'] = `unix://${engine.socket}`;
  await host.join(await lab.token());
  await engine.start();
  await host.startAgent();
  await host.waitUntil('ready');
});
after(() => lab?.close());

interface Item {
  target: string;
  state: string;
  addresses: string[];
}

async function list(): Promise<Item[]> {
  const { stdout } = await host.warren(['attach', 'ls', '--json']);
  return (JSON.parse(stdout) as { items: Item[] }).items;
}

test('a container that is attached by name keeps its address over a restart, and its own default route', async () => {
  await engine.docker(['run', '-d', '--name', 'web', image, 'sleep', '100000']);
  await host.warren(['attach', 'docker:web', '--interface', 'eth1']);
  const [item] = await list();
  const address = item?.addresses[0] ?? '';
  const isAttached = async (): Promise<boolean> => {
    const web = await inspect(engine, 'web');
    const { stdout } = await web.run(['ip', '-o', '-4', 'addr', 'show', 'dev', 'eth1']);
    const { stdout: routes } = await web.run(['ip', 'route', 'show']);
    assert.match(routes, /default via 172\.31\.1\.1 dev eth0/);
    assert.match(routes, /10\.210\.0\.0\/16 via 10\.210\.\d+\.1 dev eth1/);
    return stdout.includes(` ${address}/`);
  };
  await until('it is attached', { seconds: 10 }, isAttached);
  await engine.docker(['stop', '-t', '0', 'web']);
  await until('it waits', { seconds: 15 }, async () => (await list())[0]?.state === 'waiting');
  await engine.docker(['start', 'web']);
  await until('it is attached again', { seconds: 20 }, isAttached);
});

test('docker rm ends the attachment, and a container of the same name is another one', async () => {
  await engine.docker(['rm', '-f', 'web']);
  await until('it is forgotten', { seconds: 15 }, async () => (await list()).length === 0);
  const { stdout } = await host.run(['ip', '-o', 'link', 'show', 'type', 'veth']);
  assert.doesNotMatch(stdout, /: wv/);
  const { exitCode, stderr } = await host.warren(['attach', 'docker:web'], { okCodes: 'any' });
  assert.equal(exitCode, 3);
  assert.match(stderr, /no such container/);
});
