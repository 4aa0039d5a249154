/**
 * One real agent, started as users start it, in a mesh of which nothing happens: its memory and its CPU. With few peers
 * every peer has a real tunnel at its other end; with many only the agent is real, and nobody answers its handshakes.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { root } from '../../support/lab-config.ts';
import { type LabHost, createLabHost } from '../../support/lab-host.ts';
import { createLabServer } from '../../support/lab-server.ts';
import { pidsInside, runInside } from '../../support/namespace.ts';
import { makeUnderlay } from '../../support/underlay.ts';
import { until } from '../../support/wait.ts';
import { cpuSecondsOf, cpuSecondsWithChildrenOf, rssMibOf } from '../accounting.ts';
import { type BenchContext, builtProgram, interfaceOf, namespaceOf } from '../context.ts';
import { createFleet } from '../control/fleet.ts';
import { makeRoom } from '../control/operate.ts';
import { type FarTunnels, createFarTunnels } from './far-tunnels.ts';

export interface Idle {
  readonly peers: number;
  readonly program: 'built files' | 'single executable';
  readonly isLive: boolean;
  /** One a second or so. */
  readonly rssMib: readonly number[];
  /** Share of a core, %: the process, the same with the programs it ran, the tunnel daemon. */
  readonly agentPercent: number;
  readonly withProgramsPercent: number;
  readonly tunnelPercent: number;
}

export interface IdleCase {
  readonly peers: number;
  readonly isLive: boolean;
}

export async function measureIdle(context: BenchContext, { peers, isLive }: IdleCase): Promise<Idle> {
  const place = (name: string): string => namespaceOf(context, `i${peers}${name}`);
  const underlay = await makeUnderlay(place('r'));
  await underlay.connect(place('s'), '10.0.0.2');
  await underlay.connect(place('h'), '10.0.0.11');
  await underlay.connect(place('f'), '10.0.0.12');
  const dir = join(context.run.dir, `idle-${peers}`);
  await mkdir(dir);
  const server = createLabServer({ program: builtProgram(), namespace: place('s'), address: '10.0.0.2', dir });
  await server.start();
  const fleet = await createFleet({ ...context, run: { ...context.run, dir } }, place('s'));
  const ca = await readFile(join(server.stateDir, 'ca.crt'), 'utf8');
  await fleet.setPlace({ host: '127.0.0.1', port: server.port, ca });
  const token = await makeRoom((await readFile(join(server.stateDir, 'admin.key'), 'utf8')).trim(), fleet);
  const far = isLive
    ? await createFarTunnels(context, { namespace: place('f'), address: '10.0.0.12', count: peers })
    : undefined;
  await fleet.grow(peers, token, far?.tunnels);
  const isSingle = existsSync(singleExecutable);
  const host = createLabHost({
    program: isSingle ? [singleExecutable] : builtProgram(),
    name: 'idle',
    namespace: place('h'),
    address: '10.0.0.11',
    interfaceName: interfaceOf(context, `i${peers}`),
    dir: join(dir, 'idle'),
  });
  await mkdir(host.dir);
  await host.join(token);
  await host.startAgent();
  await ready(host, peers, far);
  const seen = await observe(context, host);
  await host.warren(['leave', '--purge']);
  await host.stopAgent();
  await server.stop();
  return { peers, program: isSingle ? 'single executable' : 'built files', isLive, ...seen };
}

const singleExecutable = join(root, 'out/dist', `warren-linux-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}`);

/** All peers are in the kernel, and where they are real each has had its handshake. */
async function ready(host: LabHost, peers: number, far: FarTunnels | undefined): Promise<void> {
  const show = async (what: string): Promise<string> =>
    (await runInside(host.namespace, ['wg', 'show', host.interfaceName, what])).stdout;
  await until(
    `${peers} peers are in the kernel`,
    { seconds: 60 },
    async () => (await show('peers')).split('\n').length >= peers,
  );
  if (far === undefined) return;
  await far.accept(await show('public-key'));
  await until('each peer has had its handshake', { seconds: 90, everyMilliseconds: 500 }, async () => {
    const lines = (await show('latest-handshakes')).split('\n');
    return lines.filter((line) => !line.endsWith('\t0')).length >= peers;
  });
}

async function observe({ isQuick }: BenchContext, host: LabHost): Promise<Omit<Idle, 'peers' | 'program' | 'isLive'>> {
  // Memory and timers of the start settle.
  await pause(isQuick ? 3000 : 15_000);
  const pid = host.agentPid();
  const tunnels = pidsInside([host.namespace]).filter((one) => one !== pid);
  const cpu = async (): Promise<[number, number, number]> => {
    const daemons = await Promise.all(tunnels.map(cpuSecondsOf));
    return [await cpuSecondsOf(pid), await cpuSecondsWithChildrenOf(pid), daemons.reduce((sum, one) => sum + one, 0)];
  };
  const rssMib: number[] = [];
  const before = await cpu();
  const startedAt = performance.now();
  for (let i = 0; i < (isQuick ? 8 : 40); i += 1) {
    await pause(1000);
    rssMib.push(await rssMibOf(pid));
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const after = await cpu();
  const percent = (i: 0 | 1 | 2): number => ((after[i] - before[i]) / seconds) * 100;
  return { rssMib, agentPercent: percent(0), withProgramsPercent: percent(1), tunnelPercent: percent(2) };
}
