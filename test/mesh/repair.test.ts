import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openMesh, waitForPaths } from '../support/lab.ts';
import { type Snapshot, takeSnapshot } from '../support/snapshot.ts';
import { startTraffic } from '../support/traffic.ts';
import { until } from '../support/wait.ts';

let lab: Lab;
let host: LabHost;
let intact: Snapshot;

before(async () => {
  lab = await openMesh(3);
  const [first] = lab.hosts;
  if (first === undefined) throw new Error('no host');
  host = first;
  await host.run(['ip', 'link', 'add', 'foreign-br', 'type', 'bridge']);
  await host.run(['ip', 'addr', 'add', '172.31.9.1/24', 'dev', 'foreign-br']);
  await host.run(['ip', 'link', 'set', 'foreign-br', 'up']);
  await host.run(['ip', 'route', 'add', '172.31.10.0/24', 'via', '172.31.9.2']);
  await host.run(['ip', 'rule', 'add', 'fwmark', '0x1234', 'lookup', '77']);
  await host.run(['nft', 'add table inet foreign; add chain inet foreign in { type filter hook input priority 5; }']);
  intact = await settled();
});
after(() => lab?.close());

/** The state the agent keeps when it is left alone: two looks that agree. */
async function settled(): Promise<Snapshot> {
  return until('the host settles', { seconds: 10, everyMilliseconds: 300 }, async () => {
    const first = await takeSnapshot(host.namespace);
    const second = await takeSnapshot(host.namespace);
    return JSON.stringify(first) === JSON.stringify(second) && second;
  });
}

/** Ours and theirs: all as before within five seconds, and packets flow. */
async function isRepaired(expected: Snapshot = intact): Promise<void> {
  let seen: Snapshot | undefined;
  try {
    await until('everything is as before', { seconds: 5 }, async () => {
      seen = await takeSnapshot(host.namespace);
      assert.deepEqual(seen, expected);
      return true;
    });
  } catch (cause) {
    assert.deepEqual(seen, expected, `not repaired within 5 s (${String(cause).slice(0, 80)})`);
  }
  await waitForPaths(
    lab.hosts.flatMap((one) => one.containers),
    5,
  );
}

const route = async (): Promise<string> => {
  const { stdout } = await host.run(['ip', '-4', 'route', 'show', 'proto', '86']);
  return (stdout.split('\n').find((line) => line.startsWith('10.210.')) ?? '').split(' ')[0] ?? '';
};

test('a deleted route comes back', async () => {
  await host.run(['ip', 'route', 'del', await route(), 'proto', '86']);
  await isRepaired();
});

test('all routes to the mesh flushed come back', async () => {
  await host.run(['ip', 'route', 'flush', 'proto', '86']);
  await host.run(['ip', '-6', 'route', 'flush', 'proto', '86']);
  await isRepaired();
});

test('a removed peer comes back', async () => {
  const { stdout } = await host.run(['wg', 'show', host.interfaceName, 'peers']);
  await host.run(['wg', 'set', host.interfaceName, 'peer', stdout.split('\n')[0] ?? '', 'remove']);
  await isRepaired();
});

test('a stranger’s peer and changed allowed IPs are put right', async () => {
  const { stdout } = await host.run(['wg', 'show', host.interfaceName, 'peers']);
  const stranger = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';
  await host.run(['wg', 'set', host.interfaceName, 'peer', stranger, 'allowed-ips', '10.99.0.0/16']);
  await host.run(['wg', 'set', host.interfaceName, 'peer', stdout.split('\n')[0] ?? '', 'allowed-ips', '10.98.0.0/16']);
  await isRepaired();
});

test('a flushed firewall comes back, what others had in it does not concern us', async () => {
  await host.run(['nft', 'flush', 'ruleset']);
  const ours = { ...intact, tables: intact.tables.filter((table) => !table.startsWith('table inet foreign')) };
  await isRepaired(ours);
  await host.run(['nft', 'add table inet foreign; add chain inet foreign in { type filter hook input priority 5; }']);
  await isRepaired();
});

test('the table alone deleted comes back', async () => {
  await host.run(['nft', 'delete', 'table', 'inet', 'warren']);
  await isRepaired();
});

test('links set down come up again', async () => {
  await host.run(['ip', 'link', 'set', host.interfaceName, 'down']);
  await isRepaired();
  await host.run(['ip', 'link', 'set', 'warren-br', 'down']);
  await isRepaired();
});

test('a deleted address and a changed MTU are put right', async () => {
  const gateway = intact.addresses.find((line) => line.startsWith('warren-br ') && !line.includes(':')) ?? '';
  await host.run(['ip', 'addr', 'del', gateway.split(' ')[1] ?? '', 'dev', 'warren-br']);
  await host.run(['ip', 'link', 'set', host.interfaceName, 'mtu', '1300']);
  await isRepaired();
});

test('a deleted bridge comes back, with the containers in it', async () => {
  await host.run(['ip', 'link', 'del', 'warren-br']);
  await isRepaired();
});

test('a deleted WireGuard interface comes back', async () => {
  await host.run(['ip', 'link', 'del', host.interfaceName]);
  await isRepaired();
});

test('forwarding switched off is switched on again', async () => {
  await host.run(['sysctl', '-qw', 'net.ipv4.ip_forward=0']);
  await until('forwarding is on', { seconds: 35 }, async () => {
    const { stdout } = await host.run(['sysctl', '-n', 'net.ipv4.ip_forward']);
    return stdout === '1';
  });
});

test('a repair on one host costs the others nothing', async () => {
  const [, second, third] = lab.hosts;
  const [from, to] = [second?.containers[0], third?.containers[0]];
  assert.ok(from !== undefined && to !== undefined);
  const traffic = await startTraffic(from, to);
  await host.run(['ip', 'link', 'del', host.interfaceName]);
  await isRepaired();
  assert.deepEqual((await traffic.stop()).lost, []);
});

test('status names nothing as failed once all is repaired', async () => {
  await host.waitUntil('ready', 10);
  const { failures } = (await host.status()) as { failures?: unknown[] };
  assert.deepEqual(failures ?? [], []);
});
