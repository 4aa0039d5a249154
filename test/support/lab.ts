/**
 * A laboratory: real hosts as network namespaces on one underlay, a real server in another, real agents, real WireGuard.
 * Every name on the machine carries the run's id, so that several labs may stand side by side; `close` (and any other
 * end of the process) leaves nothing. Holds no assertions: tests, demo and bench build on it.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beginRun, interfacePrefix, namespacePrefix } from './lab-cleanup.ts';
import { warrenProgram } from './lab-config.ts';
import type { LabContainer } from './lab-container.ts';
import { type LabHost, createLabHost } from './lab-host.ts';
import { type LabServer, createLabServer } from './lab-server.ts';
import { makeNamespace } from './namespace.ts';
import { type Families, type Underlay, type Uplink, makeUnderlay, underlayAddresses } from './underlay.ts';
import { until } from './wait.ts';

export interface Lab {
  readonly id: string;
  readonly dir: string;
  readonly underlay: Underlay;
  readonly server: LabServer;
  readonly hosts: LabHost[];
  /** A token that enrolls as many hosts as a lab may need. */
  token(): Promise<string>;
  /** A namespace on the underlay or behind a box, not enrolled. */
  addHost(name?: string, uplink?: Uplink): Promise<LabHost>;
  /** Join, agent, ready. */
  enrol(host: LabHost, ...joinArgs: string[]): Promise<LabHost>;
  /** addHost, enrol. */
  addMember(...joinArgs: string[]): Promise<LabHost>;
  /** Pulls a host's cable and puts it in elsewhere. */
  move(host: LabHost, uplink: Uplink): Promise<void>;
  close(): void;
}

/** An underlay and a running server; no hosts yet. */
export async function openLab(families: Families = 'ipv4'): Promise<Lab> {
  const run = beginRun();
  const program = warrenProgram();
  const prefix = namespacePrefix(run.id);
  const underlay = await makeUnderlay(`${prefix}router`, families);
  const addresses = underlayAddresses(families, 2);
  const server = createLabServer({
    program,
    namespace: `${prefix}server`,
    address: addresses[0] ?? '',
    hasIpv6: families !== 'ipv4',
    dir: run.dir,
  });
  await underlay.connect(server.namespace, ...addresses);
  await server.start();
  const hosts: LabHost[] = [];
  const uplinks = new Map<LabHost, Uplink>();
  let token: Promise<string> | undefined;
  const plugIn = async (host: LabHost, uplink: Uplink): Promise<void> => {
    uplinks.set(host, uplink);
    [host.address = ''] = await uplink.plug(host.namespace, 10 + hosts.indexOf(host));
  };
  const lab: Lab = {
    id: run.id,
    dir: run.dir,
    underlay,
    server,
    hosts,
    close: () => run.end(),
    token: () => (token ??= server.makeToken('--uses', '1000')),
    async addHost(name = `h${hosts.length + 1}`, uplink: Uplink = underlay) {
      const index = hosts.length + 1;
      const dir = join(run.dir, name);
      mkdirSync(dir);
      const namespace = prefix + name;
      const interfaceName = interfacePrefix(run.id) + index;
      const host = createLabHost({ program, name, dir, namespace, interfaceName, address: '' });
      hosts.push(host);
      await makeNamespace(namespace);
      await plugIn(host, uplink);
      return host;
    },
    async enrol(host, ...joinArgs) {
      await host.join(await lab.token(), ...joinArgs);
      await host.startAgent();
      await host.waitUntil('ready');
      return host;
    },
    addMember: async (...joinArgs) => lab.enrol(await lab.addHost(), ...joinArgs),
    async move(host, uplink) {
      await uplinks.get(host)?.unplug(host.namespace);
      await plugIn(host, uplink);
    },
  };
  return lab;
}

/** A lab with `count` hosts in one mesh and `containers` containers on each. */
export async function openMesh(count: number, containers = 1): Promise<Lab> {
  const lab = await openLab();
  await fillMesh(lab, count, containers);
  return lab;
}

/** Adds hosts and containers and waits until all containers reach each other. */
export async function fillMesh(lab: Lab, count: number, containers: number): Promise<void> {
  const hosts = await Promise.all(Array.from({ length: count }, () => lab.addMember()));
  await Promise.all(
    hosts.map(async (host) => {
      for (let i = 0; i < containers; i += 1) await host.addContainer();
    }),
  );
  await waitForPaths(lab.hosts.flatMap((host) => host.containers));
}

/** Waits until each container reaches each container of another host, over IPv4. */
export async function waitForPaths(containers: readonly LabContainer[], seconds = 20): Promise<void> {
  await Promise.all(
    pairs(containers).map(async ([from, to]) => {
      const argv = ['ping', '-n', '-c', '1', '-W', '1', to.addresses[0] ?? ''];
      await until(`${from.name} reaches ${to.name}`, { seconds }, async () => {
        await from.run(argv);
        return true;
      });
    }),
  );
}

/** Ordered pairs of containers on different hosts. */
export function pairs(containers: readonly LabContainer[]): [LabContainer, LabContainer][] {
  return containers.flatMap((from) =>
    containers.filter((to) => to.host !== from.host).map((to): [LabContainer, LabContainer] => [from, to]),
  );
}
