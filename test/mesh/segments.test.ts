import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type DockerMesh, openDockerMesh } from '../support/docker-mesh.ts';
import type { DockerContainer } from '../support/lab-docker.ts';
import { until } from '../support/wait.ts';

let mesh: DockerMesh;
const made = new Map<string, DockerContainer>();

before(async () => {
  mesh = await openDockerMesh({ count: 2, version: '20' });
  for (const [i, { engine }] of mesh.hosts.entries()) {
    for (const segment of ['blue', 'red', 'open']) {
      const label = segment === 'open' ? [] : ['--label', `warren.segment=${segment}`];
      made.set(`${segment}${i + 1}`, await engine.addContainer(`${segment}${i + 1}`, label));
    }
  }
});
after(() => mesh.lab.close());

const named = (name: string): DockerContainer => made.get(name) ?? assert.fail(`no container ${name}`);

async function reaches(from: string, to: string): Promise<boolean> {
  for (const address of named(to).addresses) {
    const { exitCode } = await named(from).run(['ping', '-n', '-c', '1', '-W', '1', address], { okCodes: 'any' });
    if (exitCode === 0) return true;
  }
  return false;
}

const segmentOf = (name: string): string => name.slice(0, -1);

test('containers reach those of their own segment, and no others, on one host and across hosts, by either family', async () => {
  const names = [...made.keys()];
  const pairs = names.flatMap((from) => names.filter((to) => to !== from).map((to) => [from, to] as const));
  for (const [from, to] of pairs) {
    const isMeant = segmentOf(from) === segmentOf(to);
    await until(`${from} ${isMeant ? 'reaches' : 'does not reach'} ${to}`, { seconds: 15 }, async () => {
      return (await reaches(from, to)) === isMeant;
    });
  }
});

test('hosts, names and the world outside stay within reach of a segment', async () => {
  const blue = named('blue1');
  const gateway = (blue.addresses[0] ?? '').replace(/\d+$/, '1');
  await blue.run(['ping', '-n', '-c', '1', '-W', '2', gateway]);
  await blue.run(['ping', '-n', '-c', '1', '-W', '2', '10.0.0.2']);
  const { stdout } = await blue.run(['dig', `@${gateway}`, '+short', 'red2.h2.warren.internal']);
  assert.equal(stdout.split('\n')[0], named('red2').addresses[0]);
});

test('a container that takes the address of a member is not heard, so it stays out of that segment', async () => {
  const [stolen = ''] = named('blue1').addresses;
  const [other = ''] = named('blue2').addresses;
  const red = named('red1');
  const pingsAsBlue = async (): Promise<boolean> => {
    const ping = ['ping', '-n', '-c', '1', '-W', '1', '-I', stolen, other];
    return (await red.run(ping, { okCodes: 'any' })).exitCode === 0;
  };
  await red.run(['ip', 'addr', 'add', `${stolen}/24`, 'dev', 'eth0']);
  await until('its own port is known', { seconds: 15 }, async () => !(await pingsAsBlue()));
  for (let i = 0; i < 3; i += 1) assert.equal(await pingsAsBlue(), false);
  await red.run(['ip', 'addr', 'del', `${stolen}/24`, 'dev', 'eth0']);
  await until('blue still reaches blue', { seconds: 15 }, () => reaches('blue1', 'blue2'));
});

test('when the rules of both families are gone, they come back', async () => {
  for (const { host } of mesh.hosts) await host.run(['nft', 'flush', 'ruleset']);
  await until(
    'blue does not reach red',
    { seconds: 10 },
    async () => !(await reaches('blue1', 'red1')) && !(await reaches('blue1', 'red2')),
  );
  await until('blue reaches blue', { seconds: 15 }, () => reaches('blue1', 'blue2'));
});

test('a container that is gone leaves nothing of its segment behind', async () => {
  for (const [i, { engine }] of mesh.hosts.entries()) await engine.docker(['rm', '-f', `blue${i + 1}`, `red${i + 1}`]);
  for (const { host } of mesh.hosts) {
    await until(`${host.name} has no segment any more`, { seconds: 15 }, async () => {
      const { stdout } = await host.run(['nft', 'list', 'ruleset']);
      return !/segment|members_/.test(stdout);
    });
  }
  assert.ok(await reaches('open1', 'open2'));
});
