/**
 * A process of simulated agents, driven by the bench over a unix socket: `node fleet-process.js SOCKET`. Several of them
 * share the work, because one process has file descriptors for about 20,000 connections and one core.
 */
import type { Workload } from '../../../shared/workload.ts';
import { serveCalls } from './calls.ts';
import { monotonicMs } from './clock.ts';
import { enrollAgents } from './enroll-agents.ts';
import { succeeded, send } from './https.ts';
import { type FeedStart, type Place, SimulatedAgent, type Tunnel } from './simulated-agent.ts';
import { endReportConnections, sendReports } from './send-reports.ts';

export interface Wave {
  readonly startedAt: number;
  /** When each agent had the server's first answer, ms. */
  readonly readyAt: readonly number[];
  readonly resumed: number;
  /** Connections that failed and were tried again, by reason. */
  readonly refused: Readonly<Record<string, number>>;
  readonly bytes: number;
}

const agents: SimulatedAgent[] = [];
let place: Place = { host: '', port: 0, ca: '' };
const longestWaveMs = 240_000;

const calls = {
  setPlace(given: Place): void {
    place = given;
  },
  /** Makes keys and certificate requests for agents that are not enrolled yet. */
  async prepare(from: number, count: number, tunnels: readonly Tunnel[]): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      const agent = new SimulatedAgent(from + i, tunnels[i]);
      await agent.prepare();
      agents.push(agent);
    }
  },
  enroll: (token: string, concurrency: number) =>
    enrollAgents(
      place,
      token,
      agents.filter((agent) => agent.certificate === ''),
      concurrency,
    ),
  hostIds: (): string[] => agents.map((agent) => agent.hostId),
  /** Everybody at once. */
  async connect(start: FeedStart): Promise<Wave> {
    const startedAt = monotonicMs();
    const refused: Record<string, number> = {};
    const some = agents.slice(0, start.atMost);
    const readyAt = await Promise.all(some.map((agent) => persist(agent, start, startedAt, refused)));
    return {
      startedAt,
      readyAt,
      refused,
      resumed: some.filter((agent) => agent.isResumed).length,
      bytes: some.reduce((sum, agent) => sum + agent.feedBytes, 0),
    };
  },
  async disconnect(): Promise<void> {
    endReportConnections();
    await Promise.all(agents.map((agent) => agent.close()));
  },
  expect(): void {
    for (const agent of agents) agent.expect();
  },
  /** When each agent was told; resolves when all are, or when `withinMs` has passed. */
  async told(withinMs: number): Promise<{ toldAt: number[]; missing: number; bytes: number }> {
    const deadline = monotonicMs() + withinMs;
    while (agents.some((agent) => Number.isNaN(agent.toldAt)) && monotonicMs() < deadline) await pause(25);
    const toldAt = agents.map((agent) => agent.toldAt).filter((at) => !Number.isNaN(at));
    const bytes = agents.reduce((sum, agent) => sum + agent.feedBytes, 0);
    return { toldAt, missing: agents.length - toldAt.length, bytes };
  },
  openCount: (): number => agents.filter((agent) => agent.isOpen).length,
  reports: (count: number, concurrency: number) =>
    sendReports(place, agents.slice(0, count), concurrency, { peers: agents }),
  /** One report with an endpoint that nobody knew of; answers when it was handed to the socket. */
  async move(index: number, port: number): Promise<number> {
    const agent = agents[index];
    if (agent === undefined) throw new Error(`no agent ${index}`);
    return (await sendReports(place, [agent], 1, { peers: agents, listenPort: port })).sentAt;
  },
  /** One report of all that runs on a host now; answers when it was handed to the socket. */
  async run(index: number, workloads: readonly Workload[]): Promise<number> {
    const agent = agents[index];
    if (agent === undefined) throw new Error(`no agent ${index}`);
    return (await sendReports(place, [agent], 1, { peers: agents, workloads })).sentAt;
  },
  /** An operator's call. */
  operate: async (key: string, method: string, path: string, body: unknown) =>
    succeeded(
      await send(
        {
          host: place.host,
          port: place.port,
          ca: place.ca,
          checkServerIdentity: () => undefined,
          method,
          path,
          headers: { authorization: `Bearer ${key}` },
        },
        body,
      ),
    ),
};
export type FleetCalls = typeof calls;

async function persist(
  agent: SimulatedAgent,
  start: FeedStart,
  since: number,
  refused: Record<string, number>,
): Promise<number> {
  for (;;) {
    try {
      return await agent.open(place, start);
    } catch (error) {
      const why = error instanceof Error ? error.message.slice(0, 60) : String(error);
      refused[why] = (refused[why] ?? 0) + 1;
      if (monotonicMs() - since > longestWaveMs) throw error;
      await pause(200 + Math.random() * 800);
    }
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

serveCalls(process.argv[2] ?? '', calls);
// The calls' socket does not keep the process alive; this does, until the bench ends it.
setInterval(() => undefined, 60_000);
