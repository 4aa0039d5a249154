import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type LabDocker, makeDocker } from '../support/lab-docker.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { until } from '../support/wait.ts';

let lab: Lab;
const engines: LabDocker[] = [];

before(async () => {
  lab = await openLab();
  for (const name of ['h1', 'h2']) {
    const host = await lab.addHost(name);
    const engine = await makeDocker(host);
    host.settings['WARREN_DOCKER'] = `unix://${engine.socket}`;
    engines.push(engine);
    await host.join(await lab.token());
  }
  await Promise.all(engines.map((engine) => engine.start()));
  await Promise.all(lab.hosts.map((host) => host.startAgent()));
  await Promise.all(lab.hosts.map((host) => host.waitUntil('ready')));
});
after(() => lab.close());

test('docker run --network warren gives a container an address of the lease', async () => {
  const [engine] = engines;
  assert.ok(engine);
  await until('the network is there', { seconds: 10 }, async () =>
    (await engine.docker(['network', 'ls'])).stdout.includes('warren'),
  );
  const one = await engine.addContainer('web');
  assert.match(one.addresses[0] ?? '', /^10\.210\./);
});
