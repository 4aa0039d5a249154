import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type DockerHost, type DockerMesh, openDockerMesh } from '../support/docker-mesh.ts';
import { type DockerContainer, image, inspect } from '../support/lab-docker.ts';
import { until } from '../support/wait.ts';

/** 200 where `WARREN_CHURN=200` asks for the long run (`npm run test:churn`). */
const total = Number(process.env['WARREN_CHURN'] ?? '15');
/** Containers a host may have at once, besides the one that stays. */
const most = 5;

let mesh: DockerMesh;
const steady: DockerContainer[] = [];

before(async () => {
  mesh = await openDockerMesh({ count: 3, version: '20' });
  for (const { engine } of mesh.hosts) steady.push(await engine.addContainer('steady'));
});
after(() => mesh?.lab.close());

/** What a host has that grows with its containers: links, rules, and what its agent knows. */
async function footprint({ host }: DockerHost): Promise<readonly string[]> {
  const { stdout: links } = await host.run(['ip', '-j', 'link']);
  const { stdout: iptables } = await host.run(['iptables-save']);
  const { stdout: nft } = await host.run(['nft', '-s', 'list', 'table', 'inet', 'warren']);
  const { stdout: engine } = await host.warren(['docker', 'ls', '--json']);
  const { stdout: names } = await host.warren(['dns', 'ls', '--json']);
  const rules = iptables.split('\n').filter((line) => !line.startsWith('#'));
  return [
    `${(JSON.parse(links) as unknown[]).length} links`,
    ...rules.map((line) => line.replace(/\[\d+:\d+\]/, '')),
    nft,
    engine,
    names,
  ];
}

/** A seeded choice, so that a failing run can be run again. */
function createDice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test(`${total} containers that come and go on three hosts never share an address and leave nothing`, async () => {
  await until('every host knows the names of all', { seconds: 10 }, async () => {
    for (const { host } of mesh.hosts) {
      const { stdout } = await host.warren(['dns', 'query', 'steady']);
      assert.equal(stdout.trim().split('\n').length, mesh.hosts.length);
    }
    return true;
  });
  const footprints = await Promise.all(mesh.hosts.map(footprint));
  const held = new Map<string, string>();
  const pings = steady.map((from, i) => {
    const to = steady[(i + 1) % steady.length]?.addresses[0] ?? '';
    return from.run(['ping', '-n', '-q', '-i', '0.2', '-c', String(total * 2), to], {
      okCodes: 'any',
      timeoutSeconds: 60 + total,
    });
  });
  let made = 0;
  const work = async ({ engine, host }: DockerHost, seed: number): Promise<void> => {
    const dice = createDice(seed);
    const running: { name: string; addresses: readonly string[] }[] = [];
    const end = async (): Promise<void> => {
      const [one] = running.splice(dice(running.length), 1);
      if (one === undefined) return;
      for (const address of one.addresses) held.delete(address);
      if (dice(2) === 0) await engine.docker(['kill', one.name]);
      await engine.docker(['rm', '-f', one.name]);
    };
    while (made < total) {
      made += 1;
      const name = `${host.name}-c${made}`;
      await engine.docker(['run', '-d', '--name', name, '--network', 'warren', image, 'sleep', '9999']);
      const { addresses } = await inspect(engine, name);
      for (const address of addresses) {
        assert.equal(held.get(address), undefined, `${address} of ${name} is ${held.get(address) ?? ''}'s`);
        held.set(address, name);
      }
      running.push({ name, addresses });
      while (running.length > dice(most + 1)) await end();
    }
    while (running.length > 0) await end();
  };
  await Promise.all(mesh.hosts.map((host, i) => work(host, i + 1)));
  for (const { stdout } of await Promise.all(pings)) assert.match(stdout, / 0% packet loss/);
  for (const [i, host] of mesh.hosts.entries()) {
    await until(`${host.host.name} is as it was`, { seconds: 10 }, async () => {
      assert.deepEqual(await footprint(host), footprints[i]);
      return true;
    });
  }
});
