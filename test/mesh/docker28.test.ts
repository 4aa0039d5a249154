import assert from 'node:assert/strict';
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
import type { DockerContainer } from '../support/lab-docker.ts';

const skip = whyNoEngine('28') ?? false;
let mesh: DockerMesh;
let containers: DockerContainer[] = [];

before(async () => {
  if (skip !== false) return;
  mesh = await openDockerMesh({
    count: 2,
    version: '28',
    beforeAgents: async (hosts) => {
      for (const { host } of hosts) await host.run(['iptables', '-P', 'FORWARD', 'DROP']);
    },
  });
  containers = await startMirrors();
});
after(() => mesh?.lab.close());

const startMirrors = (): Promise<DockerContainer[]> =>
  Promise.all(mesh.hosts.map((host, i) => addMirror(host, `web${i}`)));

function each(act: (host: DockerHost) => Promise<unknown>): Promise<unknown> {
  return Promise.all(mesh.hosts.map(act));
}

test('containers of two engines that drop by default reach each other with their own addresses', { skip }, async () => {
  for (const { host, engine } of mesh.hosts) {
    const { stdout } = await engine.docker(['version', '--format', '{{.Server.Version}}']);
    assert.match(stdout, /^(2[89]|[3-9]\d)\./);
    // What must be overcome is really there.
    const { stdout: rules } = await host.run(['iptables-save', '-t', 'raw']);
    assert.match(rules, /! -i warren-br -j DROP/);
  }
  await waitForRealAddresses(mesh.hosts, containers);
});

/** The last one takes the engine's own rules with it, which come back when it is started again. */
const harms: { readonly what: string; readonly harm: (host: DockerHost) => Promise<unknown> }[] = [
  {
    what: 'the engine makes another network, which puts its rules before ours',
    harm: ({ engine }) => engine.docker(['network', 'create', 'another']),
  },
  { what: 'somebody flushes the filter table', harm: ({ host }) => host.run(['iptables', '-F']) },
  { what: 'somebody flushes every rule', harm: ({ host }) => host.run(['nft', 'flush', 'ruleset']) },
];
for (const { what, harm } of harms) {
  test(`they reach each other again when ${what}`, { skip }, async () => {
    await each(harm);
    await waitForRealAddresses(mesh.hosts, containers);
  });
}

test('they reach each other again when the engines were restarted, and when they were killed', { skip }, async () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await each(async ({ engine }) => {
      await engine.stop(signal);
      await engine.start();
    });
    await each(waitForNetwork);
    await Promise.all(mesh.hosts.map(({ engine }, i) => engine.docker(['rm', '-f', `web${i}`])));
    containers = await startMirrors();
    await waitForRealAddresses(mesh.hosts, containers, 30);
  }
});

test('they reach each other again when the network was removed', { skip }, async () => {
  await Promise.all(mesh.hosts.map(({ engine }, i) => engine.docker(['rm', '-f', `web${i}`])));
  await each(({ engine }) => engine.docker(['network', 'rm', 'warren']));
  await each(waitForNetwork);
  containers = await startMirrors();
  await waitForRealAddresses(mesh.hosts, containers);
});
