import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  type DockerHost,
  type DockerMesh,
  addMirror,
  askMirror,
  foreignRules,
  lookUp,
  openDockerMesh,
  waitForNetwork,
  waitForRealAddresses,
} from '../support/docker-mesh.ts';
import { type DockerContainer, image } from '../support/lab-docker.ts';
import { type Running, startProcess } from '../support/process.ts';
import { until } from '../support/wait.ts';

const bridge = 'warren-br';
const service = ['--label', 'com.docker.compose.service=shop'];
let mesh: DockerMesh;
let rulesBefore: string[];
const containers: DockerContainer[] = [];

before(async () => {
  mesh = await openDockerMesh({
    count: 3,
    version: '20',
    beforeAgents: async ([first]) => {
      assert.ok(first);
      // A set-up of somebody who knows nothing of Warren.
      await first.host.run(['iptables', '-P', 'FORWARD', 'DROP']);
      await first.engine.docker(['network', 'create', '--subnet', '172.30.7.0/24', 'theirs']);
      await first.engine.docker([
        'run',
        '-d',
        '--name',
        'theirs',
        '--network',
        'theirs',
        '-p',
        '8099:80',
        image,
        'sleep',
        '9999',
      ]);
      rulesBefore = await foreignRules(first, bridge);
    },
  });
  for (const [i, host] of mesh.hosts.entries()) {
    containers.push(await addMirror(host, `web${i}`, service));
  }
});
after(() => mesh.lab.close());

function at(i: number): DockerHost & { container: DockerContainer } {
  const host = mesh.hosts[i];
  const container = containers[i];
  assert.ok(host !== undefined && container !== undefined);
  return { ...host, container };
}

test('containers of three engines reach each other, by ping and by HTTP, each seen with its own address', async () => {
  for (const { host, container } of [at(0), at(1), at(2)]) {
    const { leases } = (await host.status()) as { leases: string[] };
    const [lease = ''] = leases;
    assert.ok(container.addresses[0]?.startsWith(lease.replace(/0\/24$/, '')), `${container.addresses[0]} in ${lease}`);
  }
  await waitForRealAddresses(mesh.hosts, containers);
});

test('a container goes outside with the address of its host', async () => {
  const { container, engine, host } = at(0);
  const outside = startMirror();
  try {
    await until('it is seen as its host', { seconds: 10 }, async () => {
      assert.equal(await askMirror(engine, container, '10.0.0.2', 8099), host.address);
      return true;
    });
  } finally {
    await outside.stop();
  }
});

test('nothing else of what Docker has set up on the host is another', async () => {
  assert.ok(rulesBefore.some((rule) => rule.includes('172.30.7.')));
  assert.deepEqual(await foreignRules(at(0), bridge), rulesBefore);
});

test('a service is found by name on every host, and a killed instance is gone from all of them within two seconds', async () => {
  const shops = (one: ReturnType<typeof at>): Promise<string[]> => lookUp(one, one.container, 'shop.warren.internal');
  const all = containers.map(({ addresses }) => addresses[0] ?? '').sort();
  for (const one of [at(0), at(1), at(2)]) {
    await until(`${one.host.name} knows all`, { seconds: 15 }, async () => {
      assert.deepEqual(await shops(one), all);
      return true;
    });
  }
  await at(2).engine.docker(['kill', at(2).container.name]);
  const rest = all.filter((address) => address !== at(2).container.addresses[0]);
  await Promise.all(
    [at(0), at(1)].map((one) =>
      until(`${one.host.name} forgets it`, { seconds: 2 }, async () => {
        assert.deepEqual(await shops(one), rest);
        return true;
      }),
    ),
  );
  await at(2).engine.docker(['start', at(2).container.name]);
});

test('the network comes back after docker network rm, and is the same after its engine and the agent were killed', async () => {
  const { engine, host } = at(2);
  await engine.docker(['rm', '-f', 'web2']);
  await engine.docker(['network', 'rm', 'warren']);
  await waitForNetwork(at(2));
  await host.stopAgent('SIGKILL');
  await engine.stop('SIGKILL');
  await host.startAgent();
  await host.waitUntil('ready');
  await engine.start();
  await waitForNetwork(at(2));
  containers[2] = await addMirror(at(2), 'again', service);
  await waitForRealAddresses(mesh.hosts, containers);
});

test("a network of the user's own joins by command once it is approved, and leaves by command", async () => {
  const { engine, host, container } = at(0);
  await host.warren(['docker', 'advertise', 'theirs']);
  const prefix = '172.30.7.0/24';
  await until('it is asked for', { seconds: 10 }, async () => {
    const found = (await mesh.lab.server.admin('subnet', 'ls')) as { items: { prefix: string; id: string }[] };
    const wish = found.items.find((one) => one.prefix === prefix);
    if (wish === undefined) throw new Error(JSON.stringify(found));
    await mesh.lab.server.admin('subnet', 'approve', wish.id);
    return true;
  });
  const { stdout } = await engine.docker(['inspect', '-f', '{{.NetworkSettings.Networks.theirs.IPAddress}}', 'theirs']);
  await until('it is reached from another host', { seconds: 15 }, async () => {
    await at(1).container.run(['ping', '-n', '-c', '1', '-W', '1', stdout.trim()]);
    return true;
  });
  assert.notEqual(container.addresses[0], stdout.trim());
  await host.warren(['docker', 'unadvertise', 'theirs']);
  const listed = JSON.parse((await host.warren(['docker', 'ls', '--json'])).stdout) as {
    networks: { name: string; state: string }[];
  };
  assert.equal(listed.networks.find(({ name }) => name === 'theirs')?.state, 'apart');
});

test('what the agent made is gone when the host leaves, and the rest is as it was', async () => {
  const { engine, host } = at(0);
  await engine.docker(['rm', '-f', 'web0']);
  await host.warren(['leave']);
  const { stdout } = await engine.docker(['network', 'ls', '--format', '{{.Name}}']);
  assert.ok(!stdout.split('\n').includes('warren'));
  assert.deepEqual(await foreignRules(at(0), 'no such bridge'), rulesBefore);
});

/** Outside the mesh: answers with the address it is asked from. */
function startMirror(): Running {
  const script = "require('node:http').createServer((q, r) => r.end(q.socket.remoteAddress)).listen(8099, '10.0.0.2')";
  return startProcess(['nsenter', `--net=/run/netns/${mesh.lab.server.namespace}`, process.execPath, '-e', script], {
    logFile: `${mesh.lab.dir}/outside.log`,
  });
}
