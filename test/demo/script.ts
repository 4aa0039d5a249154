/** The demo's story: builds a mesh with the real commands, does to it what should not matter, and gathers the facts. */
import { join } from 'node:path';
import { type Recording, countKinds, startCapture } from '../support/capture.ts';
import type { LabContainer } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, waitForPaths } from '../support/lab.ts';
import { type ContainerKind, chooseContainers } from './containers.ts';
import type { Display } from './display.ts';
import type { DisturbanceFact, Facts, HostFact, WireFact } from './facts.ts';
import { measureLoss, measurePaths, measureThroughput } from './measure.ts';

const marker = 'IN-CLEAR-INSIDE!';

/** Runs all of it on a lab whose server is up. */
export async function tellStory(lab: Lab, display: Display): Promise<Facts> {
  const building = await startCapture(lab.underlay.router, join(lab.dir, 'underlay-1.pcap'));
  const { joinToPacketSeconds, kind } = await buildMesh(lab, display);
  const containers = lab.hosts.flatMap((host) => host.containers);

  display.heading('Who reaches whom');
  const { paths, markerInside } = await display.step(
    `all ${containers.length * (containers.length - 1)} pairs of containers call each other by IPv4 and IPv6`,
    () => measurePaths(containers, marker),
    (found) =>
      `${found.paths.filter((path) => path.isReached && path.isRealSource).length} of ${found.paths.length} reached, with their own source address`,
  );
  const recordings = [await building.stop()];
  const throughput = await display.step(
    'a TCP stream from each host to the next',
    () => measureThroughput(containers),
    (found) => found.map((one) => `${one.megabitsPerSecond} Mbit/s`).join(', '),
  );
  // The streams above are not recorded: a recorder that cannot keep up would prove nothing.
  const disturbing = await startCapture(lab.underlay.router, join(lab.dir, 'underlay-2.pcap'));
  const disturbances = await disturb(lab, containers, display);

  recordings.push(await disturbing.stop());
  const wireFact = readWire(recordings, lab.server.port, markerInside);
  const readyHosts = await readyOnes(lab.hosts);
  const hosts = lab.hosts.map(readHost);
  return {
    hosts,
    containers: kind.what(),
    joinToPacketSeconds,
    backend: await backendOf(lab.hosts[0]),
    paths,
    throughput,
    disturbances,
    wire: wireFact,
    readyHosts,
  };
}

async function buildMesh(lab: Lab, display: Display): Promise<{ joinToPacketSeconds: number; kind: ContainerKind }> {
  display.heading('Three hosts join');
  const token = await display.step(
    'warren token create',
    () => lab.token(),
    () => 'one string carries the server, its pin and the secret',
  );
  let began = 0;
  const joined = new Set<LabHost>();
  const hosts = [await lab.addHost('h1'), await lab.addHost('h2'), await lab.addHost('h3')];
  const kind = await display.step(
    'a Docker engine on each host',
    () => prepareHosts(hosts),
    (chosen) => chosen.what(),
  );
  for (const added of hosts) {
    // Those who are there already have a container when the last one comes.
    for (const host of hosts) if (joined.has(host) && host.containers.length === 0) await kind.add(host);
    began = performance.now();
    joined.add(added);
    await display.step(
      `${added.name}: warren join, warren agent`,
      () => startMember(added, token),
      (host) => `${host.address} is in the mesh`,
    );
  }
  const last = lab.hosts.at(-1);
  if (last !== undefined) await kind.add(last);
  await waitForPaths(lab.hosts.flatMap((host) => host.containers));
  const joinToPacketSeconds = (performance.now() - began) / 1000;
  await display.step(kind.command, () => addContainers(lab, kind), describeContainers);
  return { joinToPacketSeconds, kind };
}

async function prepareHosts(hosts: readonly LabHost[]): Promise<ContainerKind> {
  const [first] = hosts;
  if (first === undefined) throw new Error('a demo has hosts');
  const kind = await chooseContainers(first);
  await Promise.all(hosts.map((host) => kind.prepare(host)));
  return kind;
}

async function startMember(host: LabHost, token: string): Promise<LabHost> {
  await host.join(token);
  await host.startAgent();
  await host.waitUntil('ready');
  return host;
}

async function addContainers(lab: Lab, kind: ContainerKind): Promise<readonly LabContainer[]> {
  for (const host of lab.hosts) {
    while (host.containers.length < 2) await kind.add(host);
  }
  const containers = lab.hosts.flatMap((host) => host.containers);
  await waitForPaths(containers);
  return containers;
}

const describeContainers = (containers: readonly LabContainer[]): string =>
  containers.map((one) => one.addresses[0]).join(' ');

async function disturb(lab: Lab, containers: readonly LabContainer[], display: Display): Promise<DisturbanceFact[]> {
  display.heading('What should not matter, while 100 packets a second go over every path');
  const lossless = (fact: DisturbanceFact): string =>
    `${fact.lost} of ${fact.sent} packets lost on ${fact.paths} paths`;
  const [first] = lab.hosts;
  const killed = await display.step(
    'h1: its agent is killed and comes back',
    () =>
      measureLoss(containers, 'the agent of h1 was killed and started again', async () => {
        await first?.stopAgent('SIGKILL');
        await first?.startAgent();
        await first?.waitUntil('ready');
      }),
    lossless,
  );
  const stopped = await display.step(
    'the server is stopped, traffic goes on',
    () => measureLoss(containers, 'the server was stopped', () => lab.server.stop('SIGTERM')),
    lossless,
  );
  const started = await display.step(
    'the server is started again',
    () =>
      measureLoss(containers, 'the server was started again', async () => {
        await lab.server.start();
        for (const host of lab.hosts) await host.waitUntil('ready');
      }),
    lossless,
  );
  return [killed, stopped, started];
}

function readWire(recordings: readonly Recording[], controlPort: number, markerInside: number): WireFact {
  const packets = { wireguard: 0, control: 0, neighbours: 0, other: 0 };
  let missed = 0;
  let markerOnWire = 0;
  for (const recording of recordings) {
    const counts = countKinds(recording, controlPort);
    for (const kind of ['wireguard', 'control', 'neighbours', 'other'] as const) packets[kind] += counts[kind];
    missed += recording.missed;
    markerOnWire += recording.count(marker);
  }
  return { packets, missed, marker, markerInside, markerOnWire };
}

function readHost(host: LabHost): HostFact {
  const containers = host.containers.map(({ name, addresses }) => ({ name, addresses }));
  return { name: host.name, underlay: host.address, containers };
}

async function readyOnes(hosts: readonly LabHost[]): Promise<string[]> {
  const checks = hosts.map(async (host) => {
    const { exitCode } = await host.warren(['status', '--check', 'ready'], { okCodes: 'any' });
    return exitCode === 0 ? [host.name] : [];
  });
  return (await Promise.all(checks)).flat();
}

/** Asked of the kernel: an interface of kind `wireguard` is the kernel's own, a `tun` one is wireguard-go's. */
async function backendOf(host: LabHost | undefined): Promise<string> {
  if (host === undefined) return 'none';
  const { stdout } = await host.run(['ip', '-d', 'link', 'show', 'dev', host.interfaceName]);
  return /^\s+wireguard/m.test(stdout) ? 'kernel' : 'wireguard-go';
}
