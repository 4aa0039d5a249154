import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { CommandResult } from '../support/command.ts';
import { engineOf } from '../support/docker-kit.ts';
import { type LabCni, debianPlugins, makeCni } from '../support/lab-cni.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { makeNamespace, runInside } from '../support/namespace.ts';
import { until } from '../support/wait.ts';

let lab: Lab;

/** podman of one host: a store of its own, the host's plugin and network. */
interface Podman {
  readonly host: LabHost;
  readonly cni: LabCni;
  readonly podman: (...args: string[]) => Promise<CommandResult>;
}
const podmen: Podman[] = [];

before(async () => {
  lab = await openLab();
  for (let i = 0; i < 2; i += 1) podmen.push(await makePodman(await lab.addMember()));
});
after(async () => {
  for (const { podman } of podmen) await podman('rm', '-f', '-a', '-t', '0').catch(() => undefined);
  lab?.close();
});

async function makePodman(host: LabHost): Promise<Podman> {
  const cni = await makeCni(host);
  const [networks, store] = [join(host.dir, 'net.d'), join(host.dir, 'podman')];
  mkdirSync(store, { recursive: true });
  await host.warren(['cni', 'install', cni.dir, '--conflist', join(networks, '10-warren.conflist'), '--name', 'mesh']);
  const file = join(store, 'containers.conf');
  // Limits as a container of CI may set them; runc, because crun refuses machines with both kinds of cgroups.
  writeFileSync(
    file,
    `[network]
network_backend = "cni"
cni_plugin_dirs = ["${cni.dir}", "${debianPlugins}"]
network_config_dir = "${networks}"
[containers]
default_ulimits = ["nofile=1024:2000", "nproc=8000:8000"]
`,
  );
  const global = ['--root', join(store, 'root'), '--runroot', join(store, 'run'), '--cgroup-manager', 'cgroupfs'];
  const more = [
    '--events-backend',
    'file',
    '--runtime',
    'runc',
    '--tmpdir',
    join(store, 'tmp'),
    '--storage-driver',
    'vfs',
  ];
  const env = { ...host.settings, CONTAINERS_CONF: file };
  const podman = (...args: string[]) => host.run(['podman', ...global, ...more, ...args], { env, timeoutSeconds: 90 });
  await podman('import', engineOf('20').imageFile, 'warren-test:1');
  return { host, cni, podman };
}

const at = (i: number): Podman => {
  const found = podmen[i];
  assert.ok(found);
  return found;
};

async function addressOf({ podman }: Podman, name: string): Promise<string> {
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
  return (await podman('inspect', '-f', format, name)).stdout.trim();
}

test('containers of podman on two hosts reach each other by the plugin, under their names', async () => {
  for (const [i, name] of ['one', 'two'].entries()) {
    await at(i).podman('run', '-d', '--name', name, '--network', 'mesh', 'localhost/warren-test:1', 'sleep', '100000');
  }
  const far = await addressOf(at(1), 'two');
  assert.match(far, /^10\.210\.\d+\.\d+$/);
  await until('two answers', { seconds: 15 }, async () => {
    await at(0).podman('exec', 'one', 'ping', '-c', '1', '-W', '1', far);
    return true;
  });
  const { stdout } = await at(1).host.run(['cat', join(at(1).host.stateDir, 'cni.json')]);
  assert.match(stdout, /"name":"two"/);
});

test('a removed container leaves no link and no address', async () => {
  for (const [i, name] of ['one', 'two'].entries()) {
    const { stderr } = await at(i).podman('rm', '-f', '-t', '0', name);
    assert.equal(stderr, '');
    await until('the book is empty', { seconds: 15 }, async () => {
      const { stdout } = await at(i).host.run(['cat', join(at(i).host.stateDir, 'cni.json')]);
      return stdout.trim() === '{"format":1,"entries":[]}';
    });
  }
});

/** What flannel's own CNI plugin makes of subnet.env and hands on to `bridge` and `host-local`. */
function flannelDelegate(env: ReadonlyMap<string, string>, dataDir: string, bridge: string): object {
  const [address = '', length = ''] = (env.get('FLANNEL_SUBNET') ?? '').split('/');
  return {
    cniVersion: '0.3.1',
    name: 'cbr0',
    type: 'bridge',
    bridge,
    isGateway: true,
    ipMasq: env.get('FLANNEL_IPMASQ') !== 'true',
    mtu: Number(env.get('FLANNEL_MTU')),
    ipam: {
      type: 'host-local',
      dataDir,
      ranges: [[{ subnet: `${address.replace(/\.1$/, '.0')}/${length}` }]],
      routes: (env.get('FLANNEL_NETWORK') ?? '').split(',').map((dst) => ({ dst })),
    },
  };
}

test('what flannel’s plugin delegates works on the agent’s bridge, and containers of it reach each other over hosts', async () => {
  const given: { namespace: string; address: string }[] = [];
  for (const { host, cni } of podmen) {
    const { stdout } = await host.run(['cat', join(host.runDir, 'subnet.env')]);
    const env = new Map(stdout.split('\n').map((line) => [line.replace(/=.*/, ''), line.replace(/^[^=]*=/, '')]));
    const namespace = `${host.namespace}flannel`;
    await makeNamespace(namespace);
    const config = flannelDelegate(env, join(host.dir, 'host-local'), 'warren-br');
    const added = await cni.call('bridge', 'ADD', config, { namespace, containerId: 'f1' });
    assert.equal(added.exitCode, 0, added.stdout);
    const [first] = (added.reply as unknown as { ips: { address: string }[] }).ips;
    given.push({ namespace, address: first?.address.replace(/\/\d+$/, '') ?? '' });
  }
  const [one, two] = given;
  assert.ok(one !== undefined && two !== undefined);
  await until('the other one answers', { seconds: 15 }, async () => {
    await runInside(one.namespace, ['ping', '-n', '-c', '1', '-W', '1', two.address]);
    return true;
  });
});

test('docker-opts are written of the same file', async () => {
  const { host } = at(0);
  const file = join(host.dir, 'docker_opts.env');
  await host.warren(['flannel', 'docker-opts', '-d', file, '-c']);
  const { stdout } = await host.run(['cat', file]);
  assert.match(stdout, /^DOCKER_OPTS=" --bip=10\.210\.\d+\.1\/24 --ip-masq=false --mtu=\d+"$/m);
});
