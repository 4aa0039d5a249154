import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { readIfThere } from '../../agent/durable.ts';
import { isAnswered } from '../../agent/unix-socket.ts';
import { patience } from '../support/lab-config.ts';
import { pidsInside } from '../support/namespace.ts';
import { type DockerContainer, type LabDocker, image, inspect, makeDocker } from '../support/lab-docker.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { until } from '../support/wait.ts';

let lab: Lab;
const engines: LabDocker[] = [];

before(async () => {
  lab = await openLab();
  for (const name of ['h1', 'h2']) {
    const host = await lab.addHost(name);
    const engine = await makeDocker(host);
    host.settings['WARREN_DOCKER'] = `unix://${engine.socket}`;
    host.settings['WARREN_PLUGIN_SOCKET'] = join(engine.pluginDir, 'warren.sock');
    engines.push(engine);
    await host.join(await lab.token());
  }
  await Promise.all(lab.hosts.map((host) => host.startAgent()));
  await Promise.all(engines.map((engine) => engine.start()));
  await Promise.all(lab.hosts.map((host) => host.waitUntil('ready')));
});
after(() => lab.close());

const at = (i: number): { host: LabHost; engine: LabDocker } => {
  const [host, engine] = [lab.hosts[i], engines[i]];
  assert.ok(host !== undefined && engine !== undefined);
  return { host, engine };
};

async function run(i: number, name: string, ...args: string[]): Promise<DockerContainer> {
  const { engine } = at(i);
  await engine.docker([
    'run',
    '-d',
    '--stop-timeout',
    '1',
    '--name',
    name,
    '--network',
    'mesh',
    ...args,
    image,
    'sleep',
    '100000',
  ]);
  return inspect(engine, name);
}

/** Throws when it takes so long that it must have waited for a driver that does not answer. */
const soon = async <T>(work: Promise<T>): Promise<T> => {
  const late = new AbortController();
  const error = new Error('it waited for the agent');
  try {
    return await Promise.race([
      work,
      delay(13_000 * patience, undefined, { signal: late.signal }).then(() => Promise.reject(error)),
    ]);
  } finally {
    late.abort();
  }
};

const reaches = (from: DockerContainer, to: DockerContainer) =>
  until(`${from.name} reaches ${to.name}`, { seconds: 15 }, async () => {
    for (const address of to.addresses) await from.run(['ping', '-n', '-c', '1', '-W', '1', address]);
    return true;
  });

const book = async (i: number): Promise<string> =>
  (await at(i).host.run(['cat', join(at(i).host.stateDir, 'plugin.json')])).stdout.trim();

const ports = async (i: number): Promise<string> =>
  (await at(i).host.run(['ip', '-o', 'link', 'show', 'type', 'veth'])).stdout.replaceAll(/^.*eth0.*\n?/gm, '').trim();

test('a network of the driver, made on each host, is one network over all hosts, in both families', async () => {
  for (const engine of engines) {
    await engine.docker(['network', 'create', '-d', 'warren', '--ipam-driver', 'warren', '--ipv6', 'mesh']);
  }
  const [one, two] = [await run(0, 'one'), await run(1, 'two')];
  assert.equal(one.addresses.length, 2);
  await reaches(one, two);
  await reaches(two, one);
  const { stdout } = await one.run(['ip', '-o', 'link', 'show']);
  assert.equal(stdout.trim().split('\n').length, 2, 'lo and eth0, no second bridge of the engine');
});

test('an agent that is killed answers for what it had, and a container started meanwhile waits for it', async () => {
  const { host } = at(0);
  const before = await book(0);
  await host.stopAgent('SIGKILL');
  const [three] = await Promise.all([run(0, 'three'), host.startAgent().then(() => host.waitUntil('ready'))]);
  await reaches(three, await inspect(at(1).engine, 'two'));
  assert.notEqual(await book(0), before);
});

test('an engine that is stopped or killed has its network and gives its containers addresses again', async () => {
  const { engine } = at(0);
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await engine.stop(signal);
    await engine.start();
    await engine.docker(['start', 'one']);
    await reaches(await inspect(engine, 'one'), await inspect(at(1).engine, 'two'));
  }
});

test('a bridge that somebody took away comes back with its containers on it', async () => {
  const { host, engine } = at(0);
  await host.run(['ip', 'link', 'del', 'dev', 'warren-br']);
  await reaches(await inspect(engine, 'one'), await inspect(at(1).engine, 'two'));
});

test('a container of the driver has a name on the mesh, and is in the segment of its network', async () => {
  const { host, engine } = at(0);
  await engine.docker(['network', 'create', '-d', 'warren', '--ipam-driver', 'warren', '-o', 'segment=blue', 'blue']);
  await engine.docker(['run', '-d', '--name', 'four', '--network', 'blue', image, 'sleep', '100000']);
  await until('the other host knows it', { seconds: 15 }, async () => {
    const { stdout } = await at(1).host.run(['cat', join(at(1).host.stateDir, 'map.json')]);
    const map = JSON.parse(stdout) as {
      hosts: { name: string; workloads: { name: string; segment: string | null }[] }[];
    };
    const workloads = map.hosts.find(({ name }) => name === host.name)?.workloads ?? [];
    return workloads.some(({ name, segment }) => name === 'four' && segment === 'blue');
  });
});

test('while the agent is away the engine starts, stops and removes without waiting, and is told who is missing', async () => {
  const { host, engine } = at(0);
  await host.stopAgent('SIGKILL');
  await until('somebody stands in for the agent', { seconds: 10 }, () =>
    isAnswered(join(engine.pluginDir, 'warren.sock')),
  );
  // Docker waits 15 s for each call that nobody answers, and each of these makes several.
  await soon(engine.docker(['rm', '-f', 'three']));
  await soon(engine.docker(['network', 'create', '-d', 'warren', '--ipam-driver', 'warren', 'brief']));
  await soon(engine.docker(['network', 'rm', 'brief']));
  await soon(engine.stop());
  await soon(engine.start());
  await assert.rejects(soon(run(0, 'five')), /the Warren agent is not running/);
  await host.startAgent();
  await host.waitUntil('ready');
  await engine.docker(['start', 'one', 'five']);
  for (const name of ['one', 'five']) await reaches(await inspect(engine, name), await inspect(at(1).engine, 'two'));
});

test('when all is removed nothing is left, and a host that leaves has no socket and nobody who stands in', async () => {
  for (const i of [0, 1]) {
    const { host, engine } = at(i);
    const { stdout } = await engine.docker(['ps', '-aq']);
    await engine.docker(['rm', '-f', ...stdout.trim().split('\n')]);
    await engine.docker(['network', 'rm', ...(i === 0 ? ['mesh', 'blue'] : ['mesh'])]);
    assert.equal(await book(i), '{"format":1,"networks":[],"endpoints":[],"reserved":[]}');
    assert.equal(await ports(i), '');
    // One leaves by its agent, the other without one.
    if (i === 1) await host.stopAgent();
    await host.warren(['leave']);
    assert.equal(existsSync(join(engine.pluginDir, 'warren.sock')), false);
    await until('no process is left', { seconds: 10 }, async () => {
      const processes = await Promise.all(
        pidsInside([host.namespace]).map((pid) => readIfThere(`/proc/${pid}/cmdline`)),
      );
      return !processes.some((text) => text?.includes('--drivers-only'));
    });
  }
});
