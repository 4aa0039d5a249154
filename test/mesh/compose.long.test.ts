import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '../support/command.ts';
import { composeProgram } from '../support/docker-kit.ts';
import { type DockerHost, type DockerMesh, askMirror, lookUp, openDockerMesh } from '../support/docker-mesh.ts';
import { type DockerContainer, image, inspect } from '../support/lab-docker.ts';
import { until } from '../support/wait.ts';

const program = composeProgram();
const skip = program === undefined ? 'no Docker Compose 2 here; run sh test/setup.sh' : false;

/** One file for all hosts, as a user writes it: each host brings up its part, the network is Warren's on every one. */
const file = `
services:
  web:
    image: ${image}
    init: false
    stop_grace_period: 1s
    command:
      - sh
      - -c
      - |
        mkdir -p /www/cgi-bin
        printf '#!/bin/sh\\necho\\necho $$REMOTE_ADDR\\n' >/www/cgi-bin/who
        chmod 755 /www/cgi-bin/who
        exec httpd -f -p 80 -h /www
  client:
    image: ${image}
    stop_grace_period: 1s
    command: [sleep, '100000']
networks:
  default:
    name: warren
    external: true
`;

let mesh: DockerMesh | undefined;
/** Of each host, by service. */
let webs: DockerContainer[] = [];
let clients: DockerContainer[] = [];

const hosts = (): readonly DockerHost[] => mesh?.hosts ?? [];

async function compose({ host, engine }: DockerHost, ...args: string[]): Promise<string> {
  const dir = join(host.dir, 'shop');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'compose.yaml'), file);
  const env = { DOCKER_HOST: `unix://${engine.socket}`, DOCKER_CONFIG: dir };
  const argv = [program ?? '', '--project-directory', dir, '--project-name', 'shop', ...args];
  return (await run(argv, { env })).stdout;
}

before(async () => {
  if (skip !== false) return;
  mesh = await openDockerMesh({ count: 3, version: '20' });
  await Promise.all(hosts().map((host, i) => compose(host, 'up', '-d', ...parts(i))));
  const find = async (host: DockerHost, service: string): Promise<DockerContainer[]> => {
    const { stdout } = await host.engine.docker(['ps', '--format', '{{.Names}}']);
    const names = stdout.split('\n').filter((name) => name.startsWith(`shop-${service}-`));
    return Promise.all(names.map((name) => inspect(host.engine, name)));
  };
  webs = (await Promise.all(hosts().map((host) => find(host, 'web')))).flat();
  clients = (await Promise.all(hosts().map((host) => find(host, 'client')))).flat();
});
after(() => mesh?.lab.close());

/** Two instances on the first host, one on the second, none on the third. */
const parts = (i: number): string[] => (i === 2 ? ['client'] : ['--scale', `web=${2 - i}`, 'web', 'client']);

const ipv4 = (containers: readonly DockerContainer[]): string[] =>
  containers.map(({ addresses: [address = ''] }) => address).sort();

const everybodyFinds = (expected: readonly string[], seconds: number): Promise<unknown> =>
  Promise.all(
    hosts().map((host, i) =>
      until(`${host.host.name} finds ${expected.join(' ')}`, { seconds }, async () => {
        const client = clients[i];
        assert.ok(client !== undefined);
        assert.deepEqual(await lookUp(host, client, 'web.warren.internal'), expected);
        return true;
      }),
    ),
  );

test(
  'every container of a compose file finds the instances of a service on all hosts by its name',
  { skip },
  async () => {
    assert.equal(webs.length, 3);
    assert.equal(clients.length, 3);
    await everybodyFinds(ipv4(webs), 20);
  },
);

test('instances of other hosts answer, and see the client that asks', { skip }, async () => {
  const [, , host] = hosts();
  const [, , client] = clients;
  assert.ok(host !== undefined && client !== undefined);
  for (const address of ipv4(webs)) {
    await until(`${address} answers`, { seconds: 20, everyMilliseconds: 200 }, async () => {
      assert.equal(await askMirror(host.engine, client, address), client.addresses[0]);
      return true;
    });
  }
});

test(
  'a killed instance is gone from every host within two seconds, and is back when Compose starts it again',
  { skip },
  async () => {
    const [, host] = hosts();
    const [, , killed] = webs;
    assert.ok(host !== undefined && killed !== undefined);
    await host.engine.docker(['kill', killed.name]);
    await everybodyFinds(ipv4(webs.filter((one) => one !== killed)), 2);
    await compose(host, 'up', '-d', 'web');
    webs[2] = await inspect(host.engine, killed.name);
    await everybodyFinds(ipv4(webs), 20);
  },
);

test('what Compose takes down is gone from the names, and the network stays', { skip }, async () => {
  await Promise.all(
    hosts()
      .slice(0, 2)
      .map((host) => compose(host, 'rm', '--stop', '--force', 'web')),
  );
  await everybodyFinds([], 20);
  await Promise.all(hosts().map((host) => compose(host, 'down')));
  for (const { engine } of hosts()) {
    assert.equal((await engine.docker(['ps', '-aq'])).stdout.trim(), '');
    assert.match((await engine.docker(['network', 'ls', '--format', '{{.Name}}'])).stdout, /^warren$/m);
  }
});
