import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startCapture } from '../support/capture.ts';
import type { LabContainer } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openLab, waitForPaths } from '../support/lab.ts';
import { ipBatch } from '../support/command.ts';
import { makeNamespace } from '../support/namespace.ts';
import { startTraffic } from '../support/traffic.ts';
import { until } from '../support/wait.ts';

const prefix = '192.168.7.0/24';
const machine = '192.168.7.10';

let lab: Lab;
let preferred: LabHost;
let standby: LabHost;
let client: LabHost;
let fromClient: LabContainer;

before(async () => {
  lab = await openLab();
  preferred = await lab.addMember('--advertise', `${prefix}#5`);
  standby = await lab.addMember('--advertise', `${prefix}#20`);
  client = await lab.addMember();
  for (const host of [preferred, standby]) await addLan(host);
  for (const host of lab.hosts) await host.addContainer();
  const [container] = client.containers;
  if (container === undefined) throw new Error('no container');
  fromClient = container;
  await waitForPaths(lab.hosts.flatMap((host) => host.containers));
});
after(() => lab?.close());

/** A machine that knows nothing of Warren, on a network behind the host. */
async function addLan(host: LabHost): Promise<void> {
  const lan = `${host.namespace}lan`;
  await makeNamespace(lan);
  await ipBatch([`link add lan0 netns ${host.namespace} type veth peer name eth0 netns ${lan}`]);
  await ipBatch(['addr add 192.168.7.1/24 dev lan0', 'link set lan0 up'], host.namespace);
  await ipBatch([`addr add ${machine}/24 dev eth0`, 'link set eth0 up', 'route add default via 192.168.7.1'], lan);
}

/** The host whose peer holds the prefix in the client's kernel; undefined: none. */
async function carrier(): Promise<LabHost | undefined> {
  const { stdout } = await client.run(['wg', 'show', client.interfaceName, 'allowed-ips']);
  const line = stdout.split('\n').find((one) => one.split(/\s+/).includes(prefix));
  for (const host of lab.hosts) {
    const { stdout: key } = await host.run(['wg', 'show', host.interfaceName, 'public-key'], { okCodes: 'any' });
    if (line !== undefined && key !== '' && line.startsWith(key)) return host;
  }
  return undefined;
}

const reach = async (): Promise<boolean> =>
  (await fromClient.run(['ping', '-n', '-c', '1', '-W', '1', machine], { okCodes: 'any' })).exitCode === 0;

async function isCarriedBy(host: LabHost, seconds: number): Promise<void> {
  await until(`${host.name} carries ${prefix}`, { seconds }, async () => (await carrier()) === host && (await reach()));
}

test('an advertised subnet is not used before it is approved', async () => {
  const { items } = (await lab.server.admin('subnet', 'ls')) as { items: { prefix: string; state: string }[] };
  assert.deepEqual(
    items.map((subnet) => [subnet.prefix, subnet.state]),
    [
      [prefix, 'pending'],
      [prefix, 'pending'],
    ],
  );
  assert.equal(await carrier(), undefined);
  assert.equal(await reach(), false);
});

test('once approved, the lower weight carries it, and the machines behind see the real source', async () => {
  for (const host of [standby, preferred]) await lab.server.admin('subnet', 'approve', prefix, '--host', host.name);
  await isCarriedBy(preferred, 10);
  const seen = await startCapture(`${preferred.namespace}lan`, join(lab.dir, 'lan.pcap'), 'icmp');
  assert.ok(await reach());
  const { packets } = await seen.stop();
  assert.equal(packets[0]?.source, fromClient.addresses[0]);
});

test('a changed weight moves it at once, without a packet lost to the hosts themselves', async () => {
  const [target] = standby.containers;
  assert.ok(target !== undefined);
  const traffic = await startTraffic(fromClient, target);
  await lab.server.admin('subnet', 'set', prefix, '--host', standby.name, '--weight', '1');
  await isCarriedBy(standby, 10);
  await lab.server.admin('subnet', 'set', prefix, '--host', standby.name, '--weight', '20');
  await isCarriedBy(preferred, 10);
  assert.deepEqual((await traffic.stop()).lost, []);
});

test('when its host dies the other one takes it, and gives it back, and nothing else is disturbed', async () => {
  const [target] = standby.containers;
  assert.ok(target !== undefined);
  const traffic = await startTraffic(fromClient, target);
  await preferred.stopAgent('SIGKILL');
  await lab.underlay.setLink(preferred.namespace, 'down');
  await isCarriedBy(standby, 60);
  await lab.underlay.setLink(preferred.namespace, 'up');
  await preferred.startAgent();
  await isCarriedBy(preferred, 60);
  assert.deepEqual((await traffic.stop()).lost, []);
});

test('with the server down, too: every host finds out by itself and chooses the same one', async () => {
  await lab.server.stop();
  await lab.underlay.setLink(preferred.namespace, 'down');
  await isCarriedBy(standby, 30);
  await lab.underlay.setLink(preferred.namespace, 'up');
  await isCarriedBy(preferred, 30);
  await lab.server.start();
  for (const host of lab.hosts) await host.waitUntil('ready');
});

test('an agent that is only restarted keeps its subnet', async () => {
  await preferred.stopAgent('SIGTERM');
  await preferred.startAgent();
  await preferred.waitUntil('ready');
  assert.equal(await carrier(), preferred);
});

test('a rejected subnet is withdrawn', async () => {
  await lab.server.admin('subnet', 'reject', prefix, '--host', preferred.name);
  await isCarriedBy(standby, 10);
  await lab.server.admin('subnet', 'rm', prefix, '--host', standby.name, '--yes');
  await until('nobody carries it', { seconds: 10 }, async () => (await carrier()) === undefined && !(await reach()));
});
