import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { whyNoEngine } from '../support/docker-kit.ts';
import {
  type DockerHost,
  type DockerMesh,
  addMirror,
  openDockerMesh,
  waitForNetwork,
  waitForRealAddresses,
} from '../support/docker-mesh.ts';
import { type DockerContainer, image, inspect } from '../support/lab-docker.ts';
import { runInside } from '../support/namespace.ts';
import { until } from '../support/wait.ts';

/** Docker 29 that writes nftables itself, which it does only where packets are forwarded already. */
const skip = whyNoEngine('29') ?? false;
const flags = ['--firewall-backend=nftables'];
let mesh: DockerMesh;
let containers: DockerContainer[] = [];

before(async () => {
  if (skip !== false) return;
  mesh = await openDockerMesh({
    count: 2,
    version: '29',
    flags,
    beforeEngines: (host) => host.run(['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']),
  });
  containers = await startMirrors();
});
after(() => mesh?.lab.close());

const startMirrors = (): Promise<DockerContainer[]> =>
  Promise.all(mesh.hosts.map((host, i) => addMirror(host, `web${i}`, i === 0 ? ['-p', '8081:80'] : [])));

function at(i: number): DockerHost & { container: DockerContainer } {
  const host = mesh.hosts[i];
  const container = containers[i];
  assert.ok(host !== undefined && container !== undefined);
  return { ...host, container };
}

async function failuresOf(i: number): Promise<{ kind: string; subject: string; why: string }[]> {
  return ((await at(i).host.status()) as { failures: { kind: string; subject: string; why: string }[] }).failures;
}

/** Rules of one of Docker's chains, without counters. */
async function chainOf(family: string, name: string): Promise<string[]> {
  const { stdout } = await at(0).host.run(['nft', 'list', 'chain', family, 'docker-bridges', name]);
  const rules = stdout.split('\n').map((line) => line.trim().replace(/counter packets \d+ bytes \d+ /, ''));
  return rules.filter((line) => !/^(?:|table .*|chain .*|\})$/.test(line));
}

test(
  'containers of two engines reach each other with their own addresses, and status has nothing to say',
  { skip },
  async () => {
    const { stdout } = await at(0).engine.docker(['info', '--format', '{{.FirewallBackend.Driver}}']);
    assert.equal(stdout.trim(), 'nftables');
    await waitForRealAddresses(mesh.hosts, containers, 60);
    for (const family of ['ip', 'ip6']) {
      assert.deepEqual((await chainOf(family, 'filter-forward-in__warren-br')).at(-1), 'accept comment "UNPROTECTED"');
    }
    assert.deepEqual(await failuresOf(0), []);
  },
);

test('names of the mesh are answered in its containers', { skip }, async () => {
  await until('web0 finds web1', { seconds: 90 }, async () => {
    // By the host's own name server, as Docker's resolver asks it.
    const [, server = ''] = /^nameserver (\S+)/m.exec(readFileSync('/etc/resolv.conf', 'utf8')) ?? [];
    const argv = ['dig', '+short', '+time=2', '+tries=1', `@${server}`, 'web1.h2.warren.internal', 'A'];
    return (await at(0).container.run(argv, { okCodes: 'any' })).stdout.trim() === at(1).container.addresses[0];
  });
});

test('from the underlay a published port is reached, and nothing else of a container is', { skip }, async () => {
  const { host, container } = at(0);
  const [address = ''] = container.addresses;
  const connects = async (to: string, port: number): Promise<boolean> => {
    const script = 'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)';
    const argv = ['python3', '-c', script, to, String(port)];
    return (await runInside(mesh.lab.server.namespace, argv, { okCodes: 'any' })).exitCode === 0;
  };
  await mesh.lab.underlay.route(`${address}/32`, host.namespace);
  await until("Docker's published port answers", { seconds: 20 }, () => connects(host.address, 8081));
  assert.equal(await connects(address, 80), false);
});

test(
  "a network of the user's own is named with its remedy where Docker keeps the mesh out, and joins with it",
  { skip },
  async () => {
    const { engine, host } = at(0);
    const prefix = '172.30.7.0/24';
    const make = async (...options: string[]): Promise<string> => {
      await engine.docker(['network', 'create', '--subnet', prefix, ...options, 'theirs']);
      await engine.docker(['run', '-d', '--name', 'theirs', '--network', 'theirs', image, 'sleep', '9999']);
      return (await inspect(engine, 'theirs')).addresses[0] ?? '';
    };
    await make();
    await host.warren(['docker', 'advertise', 'theirs']);
    await until('it is asked for', { seconds: 30 }, async () => {
      const { items } = (await mesh.lab.server.admin('subnet', 'ls')) as { items: { prefix: string; id: string }[] };
      const wish = items.find((one) => one.prefix === prefix);
      if (wish !== undefined) await mesh.lab.server.admin('subnet', 'approve', wish.id);
      return wish !== undefined;
    });
    let why = '';
    await until('status names it', { seconds: 60 }, async () => {
      const found = (await failuresOf(0)).find(
        ({ kind, subject }) => kind === 'firewall-drops' && subject.startsWith('ip docker-bridges br-'),
      );
      why = found?.why ?? '';
      return found !== undefined;
    });
    await engine.docker(['rm', '-f', 'theirs']);
    await engine.docker(['network', 'rm', 'theirs']);
    const address = await make(...(why.match(/--opt [^\s,]+/g) ?? []).flatMap((option) => option.split(' ')));
    await until('it is reached from another host', { seconds: 60 }, async () => {
      await at(1).container.run(['ping', '-n', '-c', '1', '-W', '1', address]);
      return true;
    });
    await until('status has nothing to say', { seconds: 60 }, async () => (await failuresOf(0)).length === 0);
  },
);

test('they reach each other again when every rule was flushed, and the engines started again', { skip }, async () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (const { host, engine } of mesh.hosts) {
      await host.run(['nft', 'flush', 'ruleset']);
      await engine.stop(signal);
      await engine.start(...flags);
    }
    for (const host of mesh.hosts) await waitForNetwork(host);
    await Promise.all(mesh.hosts.map(({ engine }, i) => engine.docker(['rm', '-f', `web${i}`])));
    containers = await startMirrors();
    await waitForRealAddresses(mesh.hosts, containers, 60);
  }
});
