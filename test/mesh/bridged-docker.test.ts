import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type LabDocker, image, inspect, makeDocker } from '../support/lab-docker.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { startProcess } from '../support/process.ts';
import { readLoss } from '../support/traffic.ts';
import { until } from '../support/wait.ts';

/** Two engines whose own bridge networks are one Ethernet. */
let lab: Lab;
const engines: LabDocker[] = [];
let vni: number;

before(async () => {
  lab = await openLab();
  for (const name of ['h1', 'h2']) {
    const host = await lab.addHost(name);
    const engine = await makeDocker(host);
    host.settings['WARREN_DOCKER'] = `unix://${engine.socket}`;
    engines.push(engine);
    await host.join(await lab.token());
  }
  await Promise.all([...engines.map((engine) => engine.start()), ...lab.hosts.map((host) => host.startAgent())]);
  await Promise.all(lab.hosts.map((host) => host.waitUntil('ready')));
  ({ vni } = (await lab.server.admin('segment', 'add', 'lan', '--bridged')) as { vni: number });
});
after(() => lab?.close());

test('networks of two engines are one Ethernet, and each container one host away by ARP', async () => {
  const containers = [];
  for (const [i, engine] of engines.entries()) {
    const options = [`--ip-range=192.168.77.${64 * (i + 1)}/26`, `--gateway=192.168.77.${64 * (i + 1) + 1}`];
    const bridge = `com.docker.network.bridge.name=wb-${vni}`;
    const mtu = 'com.docker.network.driver.mtu=1370';
    const argv = ['network', 'create', '-d', 'bridge', '--label', 'warren.segment=lan', '-o', bridge, '-o', mtu];
    await engine.docker([...argv, '--subnet=192.168.77.0/24', ...options, 'lan']);
    await engine.docker(['run', '-d', '--name', `c${i}`, '--network', 'lan', image, 'sleep', '100000']);
    containers.push(await inspect(engine, `c${i}`));
  }
  const [one, two] = containers;
  assert.ok(one !== undefined && two !== undefined);
  await until('they reach each other', { seconds: 20 }, async () => {
    await one.run(['ping', '-n', '-c', '1', '-W', '1', two.addresses[0] ?? '']);
    return true;
  });
  const { stdout } = await one.run(['ip', 'neigh', 'show', two.addresses[0] ?? '']);
  const { stdout: link } = await two.run(['ip', 'link', 'show', 'eth0']);
  assert.equal(/lladdr (\S+)/.exec(stdout)?.[1], /link\/ether (\S+)/.exec(link)?.[1]);
});

test('an agent that is killed and started again takes nothing away while it has not asked the engine yet', async () => {
  const [host] = lab.hosts;
  const [engine] = engines;
  assert.ok(host !== undefined && engine !== undefined);
  const [one, two] = [await inspect(engine, 'c0'), await inspect(engines[1] ?? engine, 'c1')];
  const argv = ['nsenter', `--target=${one.pid}`, '--net', 'ping', '-n', '-i', '0.02', two.addresses[0] ?? ''];
  const ping = startProcess(argv, { logFile: `${host.dir}/ping.log` });
  await until('pings are answered', { seconds: 5 }, () => /icmp_seq=5 /.test(ping.output()));
  await host.stopAgent('SIGKILL');
  await host.startAgent();
  await host.waitUntil('ready');
  await ping.stop('SIGINT');
  assert.deepEqual(readLoss('c0 -> c1', ping.output()).lost, []);
});

test('a network on another bridge is refused with the option that mends it', async () => {
  await engines[0]?.docker(['network', 'create', '--label', 'warren.segment=lan', 'elsewhere']);
  await until('status tells', { seconds: 10 }, async () => {
    const failures = (await lab.hosts[0]?.status())?.['failures'] as { subject: string; why: string }[];
    return failures.some(({ subject, why }) => subject === 'elsewhere' && why.includes(`bridge.name=wb-${vni}`));
  });
});

test('without the network the host is no member any more', async () => {
  await engines[0]?.docker(['rm', '-f', 'c0']);
  await engines[0]?.docker(['network', 'rm', 'lan']);
  await until('the device is gone', { seconds: 10 }, async () => {
    const { stdout } = (await lab.hosts[0]?.run(['ip', 'link'])) ?? { stdout: `wx-${vni}` };
    return !stdout.includes(`wx-${vni}`);
  });
});
