/** Everything measured with one number of agents. The server is started anew, so that stages do not inherit memory. */
import { setTimeout as pause } from 'node:timers/promises';
import { showMesh } from '../../../shared/api/status.ts';
import { formatCursor } from '../../../shared/protocol.ts';
import type { BenchContext } from '../context.ts';
import { type Change, move, rename, startContainer } from './change.ts';
import type { Fleet, WaveResult } from './fleet.ts';
import type { ProbedServer, Servers } from './probed-server.ts';

export interface Stage {
  readonly agents: number;
  /** First connection of everybody, of 1,000 in a larger mesh, each asking for the full map. */
  readonly first: WaveResult;
  readonly firstCpuMs: number;
  /** After a server start: everybody comes back with a cursor and a full handshake. */
  readonly full: WaveResult;
  readonly fullCpuMs: number;
  /** Everybody comes back with a cursor and a TLS session. */
  readonly resumed: readonly WaveResult[];
  readonly resumedCpuMs: readonly number[];
  readonly renames: readonly Change[];
  readonly moves: readonly Change[];
  readonly starts: readonly Change[];
  /** After the reconnect waves. */
  readonly renamesLater: readonly Change[];
  /** RSS in MiB: empty server, after `first`, after `full`, after each resumed wave, after a forced collection. */
  readonly rssEmpty: number;
  readonly rssFirst: number;
  readonly rssFresh: number;
  readonly rssWaves: readonly number[];
  readonly rssCollected: number;
  /** Share of a core the server uses while nothing happens, %. */
  readonly idlePercent: number;
  /** Server CPU of one report, ms. */
  readonly reportCpuMs: number;
}

/** Ten thousand full maps at once are 12 GB over loopback; a thousand tell what one costs. */
const firstMaps = 1000;

export async function measureStage(context: BenchContext, servers: Servers, fleet: Fleet): Promise<Stage> {
  const agents = fleet.size();
  const told = (what: string): void => context.tell(`${agents} agents: ${what}`);
  let server = await begin(servers, fleet);
  const first = await wave(server, () =>
    fleet.connect({ cursor: undefined, isResuming: false, atMost: firstMaps / 2 }),
  );
  const rssFirst = await rssOf(server);
  told(`${first.value.waits.length} have the full map after ${seconds(first.value)} s`);
  await fleet.disconnect();

  server = await begin(servers, fleet);
  const rssEmpty = await rssOf(server);
  const cursor = await cursorOf(server, fleet);
  const full = await wave(server, () => fleet.connect({ cursor, isResuming: false }));
  const rssFresh = await rssOf(server);
  told(`all back after ${seconds(full.value)} s, refused ${full.value.refused}`);
  const idlePercent = await idle(server, context.isQuick ? 3000 : 15_000);
  const ids = await fleet.hostIds();
  const count = context.isQuick ? 3 : 12;
  const renames = await times(count, (i) => rename(server, fleet, ids[i * 7] ?? ids[0] ?? ''));
  const moves = await times(Math.ceil(count / 2), (i) => move(server, fleet, i));
  const starts = await times(Math.ceil(count / 2), (i) => startContainer(server, fleet, count + i));
  told(`told last after ${renames.map((one) => Math.round(one.toldLast)).join(' ')} ms`);
  const reportCpuMs = await reportCost(server, fleet, Math.min(agents, 400));
  const waves = await resumedWaves(context, server, fleet, told);
  await server.probe.call('collectGarbage');
  return {
    agents,
    first: first.value,
    firstCpuMs: first.cpuMs,
    full: full.value,
    fullCpuMs: full.cpuMs,
    ...waves,
    renames,
    moves,
    starts,
    renamesLater: await times(Math.ceil(count / 2), (i) => rename(server, fleet, ids[i * 7] ?? ids[0] ?? '')),
    rssEmpty,
    rssFirst,
    rssFresh,
    rssCollected: await rssOf(server),
    idlePercent,
    reportCpuMs,
  };
}

async function begin(servers: Servers, fleet: Fleet): Promise<ProbedServer> {
  const server = await servers.start();
  await fleet.setPlace(server.place);
  return server;
}

async function resumedWaves(
  { isQuick }: BenchContext,
  server: ProbedServer,
  fleet: Fleet,
  told: (what: string) => void,
): Promise<Pick<Stage, 'resumed' | 'resumedCpuMs' | 'rssWaves'>> {
  const resumed: WaveResult[] = [];
  const resumedCpuMs: number[] = [];
  const rssWaves: number[] = [];
  for (let i = 0; i < (isQuick ? 2 : 5); i += 1) {
    await fleet.disconnect();
    await pause(1000);
    const cursor = await cursorOf(server, fleet);
    const { value, cpuMs } = await wave(server, () => fleet.connect({ cursor, isResuming: true }));
    resumed.push(value);
    resumedCpuMs.push(cpuMs);
    await pause(1000);
    rssWaves.push(await rssOf(server));
    told(`wave ${i + 1}: ${seconds(value)} s, ${value.resumed} resumed, refused ${value.refused}`);
  }
  return { resumed, resumedCpuMs, rssWaves };
}

async function wave<T>(server: ProbedServer, work: () => Promise<T>): Promise<{ value: T; cpuMs: number }> {
  const before = await server.probe.call('usage');
  const value = await work();
  const after = await server.probe.call('usage');
  return { value, cpuMs: after.cpuMs - before.cpuMs };
}

const rssOf = async (server: ProbedServer): Promise<number> => (await server.probe.call('usage')).rssMib;

async function cursorOf(server: ProbedServer, fleet: Fleet): Promise<string> {
  const { body } = await fleet.operate(server.key, showMesh.method, showMesh.path, undefined);
  return formatCursor(showMesh.reply.parse(JSON.parse(body)));
}

async function idle(server: ProbedServer, forMs: number): Promise<number> {
  const { cpuMs } = await wave(server, () => pause(forMs));
  return (cpuMs / forMs) * 100;
}

/** The second report of each agent counts: the first one makes its connection. */
async function reportCost(server: ProbedServer, fleet: Fleet, count: number): Promise<number> {
  await fleet.reports(count);
  const { cpuMs } = await wave(server, () => fleet.reports(count));
  return cpuMs / count;
}

async function times<T>(count: number, work: (i: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let i = 0; i < count; i += 1) results.push(await work(i));
  return results;
}

const seconds = ({ waits }: WaveResult): string => (Math.max(...waits) / 1000).toFixed(2);
