import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openMesh, waitForPaths } from '../support/lab.ts';
import { pidsInside } from '../support/namespace.ts';
import { filesBelow, takeSnapshot } from '../support/snapshot.ts';
import { until } from '../support/wait.ts';

let lab: Lab;

before(async () => {
  lab = await openMesh(2);
});
after(() => lab?.close());

async function foreignThings(host: LabHost): Promise<void> {
  await host.run(['ip', 'link', 'add', 'docker0', 'type', 'bridge']);
  await host.run(['ip', 'addr', 'add', '172.17.0.1/16', 'dev', 'docker0']);
  await host.run(['nft', 'add table inet foreign; add chain inet foreign in { type filter hook input priority 5; }']);
}

test('leave takes away all that join, agent and attach made, and nothing else', async () => {
  const host = await lab.addHost();
  await foreignThings(host);
  const before = await takeSnapshot(host.namespace);
  await host.join(await lab.token());
  await host.startAgent();
  await host.waitUntil('ready');
  const container = await host.addContainer();
  await waitForPaths([container, ...lab.hosts.slice(0, 2).flatMap((one) => one.containers)]);
  await host.warren(['leave', '--purge']);
  await until('the agent ends', { seconds: 10 }, () => pidsInside([host.namespace]).length === 0);
  assert.deepEqual(await takeSnapshot(host.namespace), before);
  assert.deepEqual([filesBelow(host.stateDir), filesBelow(host.runDir)], [[], []]);
  assert.equal(existsSync(`/var/run/wireguard/${host.interfaceName}.sock`), false);
  const { stdout } = await container.run(['ip', '-o', 'link', 'show']);
  assert.equal(stdout.split('\n').length, 1, `the container still has ${stdout}`);
});

test('the other hosts forget it', async () => {
  const [first] = lab.hosts;
  await until('one peer is left', { seconds: 10 }, async () => {
    const { stdout } = (await first?.run(['wg', 'show', first.interfaceName, 'peers'])) ?? { stdout: '' };
    return stdout.split('\n').length === 1;
  });
  const { items } = (await lab.server.admin('host', 'ls')) as { items: { name: string }[] };
  assert.deepEqual(items.map((host) => host.name).sort(), ['h1', 'h2']);
});

test('leave works with the agent gone and half of its things missing already', async () => {
  const host = await lab.addHost();
  const before = await takeSnapshot(host.namespace);
  await host.join(await lab.token());
  await host.startAgent();
  await host.waitUntil('ready');
  await host.stopAgent('SIGKILL');
  await host.run(['nft', 'flush', 'ruleset']);
  await host.run(['ip', 'link', 'del', 'warren-br']);
  await host.warren(['leave', '--purge']);
  assert.deepEqual(await takeSnapshot(host.namespace), before);
  assert.deepEqual(pidsInside([host.namespace]), []);
});

test('a host that left joins again and works', async () => {
  const host = lab.hosts[2];
  assert.ok(host !== undefined);
  await host.join(await lab.token());
  await host.startAgent();
  await host.waitUntil('ready');
  const container = await host.addContainer();
  await waitForPaths([container, ...lab.hosts.slice(0, 2).flatMap((one) => one.containers)]);
});

test('a host that was removed by an admin is cut off by the others at once', async () => {
  const host = lab.hosts[2];
  const [first] = lab.hosts;
  assert.ok(host !== undefined && first !== undefined);
  const { stdout: key } = await host.run(['wg', 'show', host.interfaceName, 'public-key']);
  await lab.server.admin('host', 'rm', host.name, '--yes');
  await until('the peer is gone', { seconds: 5 }, async () => {
    const { stdout } = await first.run(['wg', 'show', first.interfaceName, 'peers']);
    return !stdout.includes(key);
  });
});
