/**
 * A mesh of real hosts that grows: from an operator's request to its being in the kernels of all running agents. The
 * kernel itself tells, by `ip monitor` in every host's namespace.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { listHosts } from '../../../shared/api/hosts.ts';
import { createHostSubnet } from '../../../shared/api/subnets.ts';
import { type LabHost, createLabHost } from '../../support/lab-host.ts';
import { createLabServer } from '../../support/lab-server.ts';
import { inside } from '../../support/namespace.ts';
import { type Underlay, makeUnderlay } from '../../support/underlay.ts';
import { type BenchContext, builtProgram, interfaceOf, namespaceOf } from '../context.ts';
import { monotonicMs } from '../control/clock.ts';
import { type Fleet, createFleet } from '../control/fleet.ts';

export interface MeshRun {
  readonly hosts: number;
  /** From the request's start to the route's being in a host's kernel, ms: every other host, every round. */
  readonly inKernelMs: readonly number[];
  /** The same of the last host of each round. */
  readonly lastMs: readonly number[];
  /** Changes that did not come to a host's kernel in time. */
  readonly missing: number;
}

const longestMs = 20_000;
/** Hosts that join at the same time; each is two starts of Node. */
const joinsAtOnce = 4;

export async function measureMesh(context: BenchContext, sizes: readonly number[]): Promise<MeshRun[]> {
  const place = (name: string): string => namespaceOf(context, `m${name}`);
  const dir = join(context.run.dir, 'mesh');
  await mkdir(dir);
  const underlay = await makeUnderlay(place('r'));
  await underlay.connect(place('s'), '10.0.0.2');
  const server = createLabServer({ program: builtProgram(), namespace: place('s'), address: '10.0.0.2', dir });
  await server.start();
  const fleet = await createFleet({ ...context, run: { ...context.run, dir } }, place('s'));
  await fleet.setPlace({ host: '127.0.0.1', port: 8443, ca: await readFile(join(server.stateDir, 'ca.crt'), 'utf8') });
  const key = (await readFile(join(server.stateDir, 'admin.key'), 'utf8')).trim();
  const token = await server.makeToken('--uses', '1000');
  const hosts: LabHost[] = [];
  const runs: MeshRun[] = [];
  for (const size of sizes) {
    await grow(context, { hosts, size, underlay, token, dir });
    runs.push(await observe(context, fleet, key, hosts));
    context.tell(
      `${size} real hosts: in the kernel after ${runs.at(-1)?.lastMs.map(Math.round).join(' ')} ms (last host)`,
    );
  }
  for (const host of hosts) await host.stopAgent();
  await server.stop();
  return runs;
}

interface Growing {
  readonly hosts: LabHost[];
  readonly size: number;
  readonly underlay: Underlay;
  readonly token: string;
  readonly dir: string;
}

async function grow(context: BenchContext, { hosts, size, underlay, token, dir }: Growing): Promise<void> {
  const wanted = Array.from({ length: size - hosts.length }, (_, i) => hosts.length + i);
  const worker = async (): Promise<void> => {
    for (let i = wanted.shift(); i !== undefined; i = wanted.shift()) {
      const host = createLabHost({
        program: builtProgram(),
        name: `host-${i}`,
        namespace: namespaceOf(context, `mh${i}`),
        address: `10.0.0.${10 + i}`,
        interfaceName: interfaceOf(context, `m${i}`),
        dir: join(dir, `host-${i}`),
      });
      await mkdir(host.dir);
      await underlay.connect(host.namespace, host.address);
      await host.join(token);
      await host.startAgent();
      await host.waitUntil('live', 60);
      hosts.push(host);
    }
  };
  await Promise.all(Array.from({ length: joinsAtOnce }, worker));
}

async function observe(context: BenchContext, fleet: Fleet, key: string, hosts: readonly LabHost[]): Promise<MeshRun> {
  const ids = await idsByName(fleet, key);
  const seen = new Map<string, Map<string, number>>();
  const monitors = hosts.map((host) => watchRoutes(host, seen));
  // Agents that joined last have looked around and reported by then.
  await pause(context.isQuick ? 3000 : 10_000);
  const inKernelMs: number[] = [];
  const lastMs: number[] = [];
  let missing = 0;
  for (let round = 0; round < (context.isQuick ? 3 : 15); round += 1) {
    const prefix = `172.20.${hosts.length}.${round * 8}/29`;
    const owner = hosts[round % hosts.length]?.name ?? '';
    const path = createHostSubnet.path.replace('{id}', ids.get(owner) ?? '');
    const { sentAt } = await fleet.operate(key, createHostSubnet.method, path, { prefix });
    const arrived = (): [string, number][] => [...(seen.get(prefix) ?? [])].filter(([name]) => name !== owner);
    await waitFor(() => arrived().length >= hosts.length - 1, longestMs);
    const times = arrived().map(([, at]) => at - sentAt);
    missing += hosts.length - 1 - times.length;
    inKernelMs.push(...times);
    lastMs.push(times.length < hosts.length - 1 ? Infinity : Math.max(...times));
    await pause(1500);
  }
  for (const monitor of monitors) monitor.kill();
  return { hosts: hosts.length, inKernelMs, lastMs, missing };
}

async function waitFor(claim: () => boolean, withinMs: number): Promise<void> {
  const deadline = monotonicMs() + withinMs;
  while (!claim() && monotonicMs() < deadline) await pause(50);
}

async function idsByName(fleet: Fleet, key: string): Promise<Map<string, string>> {
  const { body } = await fleet.operate(key, listHosts.method, `${listHosts.path}?limit=1000`, undefined);
  return new Map(listHosts.reply.parse(JSON.parse(body)).items.map(({ name, id }) => [name, id]));
}

/** Notes when a prefix first appears in a host's routes: prefix -> host -> time. */
function watchRoutes({ namespace, name }: LabHost, seen: Map<string, Map<string, number>>): ChildProcess {
  const [file = '', ...args] = inside(namespace, ['ip', '-4', 'monitor', 'route']);
  const monitor = spawn(file, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  createInterface({ input: monitor.stdout }).on('line', (line) => {
    const prefix = /^(172\.20\.\S+)/.exec(line)?.[1];
    if (prefix === undefined) return;
    const times = seen.get(prefix) ?? new Map<string, number>();
    if (!times.has(name)) times.set(name, monotonicMs());
    seen.set(prefix, times);
  });
  return monitor;
}
