import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LabContainer } from '../support/lab-container.ts';
import { type DockerContainer, type LabDocker, image, inspect, makeDocker } from '../support/lab-docker.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { until } from '../support/wait.ts';

/** An engine that the agent was told to leave alone, on a host that forwards nothing by itself. */
let lab: Lab;
let host: LabHost;
let engine: LabDocker;
let ours: LabContainer;
let theirs: DockerContainer;

before(async () => {
  lab = await openLab();
  host = await lab.addHost();
  engine = await makeDocker(host);
  await engine.start();
  await host.run(['iptables', '-P', 'FORWARD', 'DROP']);
  await engine.docker(['run', '-d', '--name', 'private', image, 'httpd', '-f', '-p', '80']);
  theirs = await inspect(engine, 'private');
  await host.join(await lab.token());
  await host.startAgent();
  await host.waitUntil('ready');
  ours = await host.addContainer();
});
after(() => lab?.close());

/** A TCP connection within a second; the argument is parsed by nobody but Python's socket. */
const connecting = (address: string, port: number): string[] => [
  'python3',
  '-c',
  'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)',
  address,
  String(port),
];

const connects = async (address: string, port: number): Promise<boolean> => {
  const { exitCode } = await ours.run(connecting(address, port), { okCodes: 'any' });
  return exitCode === 0;
};

test('containers of the mesh reach the outside, and no unpublished port of the engine beside them', async () => {
  const server = Number(new URL(((await host.status()) as { server: { url: string } }).server.url).port);
  await until('the outside answers', { seconds: 15 }, () => connects('10.0.0.2', server));
  const [address = ''] = theirs.addresses;
  assert.equal(await connects(address, 80), false);
  // It is there to be reached: the host itself does.
  await host.run(connecting(address, 80));
});

test('leave keeps what Docker has, and takes an empty DOCKER-USER that nobody asks any more', async () => {
  host.settings['WARREN_DOCKER'] = `unix://${engine.socket}`;
  await host.stopAgent();
  await host.startAgent();
  await host.waitUntil('ready');
  await engine.docker(['rm', '-f', 'private']);
  await engine.stop();
  // What a start of the machine does to rules that nobody saved.
  await host.run(['nft', 'flush', 'ruleset']);
  for (const table of ['ip filter', 'ip nat', 'ip raw', 'ip6 filter', 'ip6 nat', 'ip6 raw'])
    await host.run(['nft', 'delete', 'table', ...table.split(' ')], { okCodes: 'any' });
  await until('the agent has made the chain', { seconds: 15 }, async () => {
    const { stdout } = await host.run(['iptables-save']);
    return /^-A DOCKER-USER .*warren/m.test(stdout);
  });
  await host.warren(['leave', '--purge']);
  for (const program of ['iptables-save', 'ip6tables-save']) {
    const { stdout } = await host.run([program]);
    assert.doesNotMatch(stdout, /DOCKER-USER|warren/);
  }
});
