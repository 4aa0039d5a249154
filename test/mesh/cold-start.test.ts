import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openMesh, waitForPaths } from '../support/lab.ts';
import { pidsInside } from '../support/namespace.ts';
import { takeSnapshot } from '../support/snapshot.ts';
import { startTraffic } from '../support/traffic.ts';
import { until } from '../support/wait.ts';

let lab: Lab;

before(async () => {
  lab = await openMesh(3);
});
after(() => lab?.close());

/** What a reboot leaves of a host: its files and its containers' namespaces, nothing in the kernel. */
async function reboot(host: LabHost): Promise<void> {
  await host.stopAgent('SIGKILL');
  for (const pid of pidsInside([host.namespace])) process.kill(pid, 'SIGKILL');
  await host.run(['nft', 'flush', 'ruleset']);
  for (const link of [host.interfaceName, 'warren-br']) await host.run(['ip', 'link', 'del', link], { okCodes: 'any' });
  await host.run(['sysctl', '-qw', 'net.ipv4.ip_forward=0', 'net.ipv6.conf.all.forwarding=0']);
}

test('with the server stopped and its state gone, traffic goes on and restarted agents adopt what they find', async () => {
  const [first, second] = lab.hosts;
  const [from, to] = [first?.containers[0], second?.containers[0]];
  assert.ok(first !== undefined && second !== undefined && from !== undefined && to !== undefined);
  await lab.server.stop('SIGKILL');
  await rename(lab.server.stateDir, `${lab.server.stateDir}.gone`);
  const traffic = await startTraffic(from, to);
  for (const host of [first, second]) {
    await host.stopAgent('SIGKILL');
    await host.startAgent();
    await host.waitUntil('live');
  }
  assert.deepEqual((await traffic.stop()).lost, []);
});

test('a host that reboots without a server comes back from its saved map, containers included', async () => {
  const [first] = lab.hosts;
  assert.ok(first !== undefined);
  const before = await takeSnapshot(first.namespace);
  await reboot(first);
  await first.startAgent();
  await first.waitUntil('live');
  await waitForPaths(
    lab.hosts.flatMap((host) => host.containers),
    20,
  );
  const after = await takeSnapshot(first.namespace);
  assert.deepEqual(after, before);
});

test('all hosts that reboot at once without a server find each other', async () => {
  await Promise.all(lab.hosts.map(reboot));
  await Promise.all(lab.hosts.map((host) => host.startAgent()));
  await waitForPaths(
    lab.hosts.flatMap((host) => host.containers),
    40,
  );
});

test('status says that the server is not reachable, and is ready again once it is back', async () => {
  const [first] = lab.hosts;
  const { stdout } = (await first?.warren(['status'])) ?? { stdout: '' };
  assert.match(stdout, /cannot reach https:\/\/10\.0\.0\.2:8443/);
  await rename(`${lab.server.stateDir}.gone`, lab.server.stateDir);
  await lab.server.start();
  for (const host of lab.hosts) await host.waitUntil('ready', 60);
  await until('the server sees all online', { seconds: 30 }, async () => {
    const { items } = (await lab.server.admin('host', 'ls')) as { items: { isOnline: boolean }[] };
    return items.length === 3 && items.every((host) => host.isOnline);
  });
});
