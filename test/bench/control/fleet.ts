/** The bench's side of the simulated agents: two processes that share them, and a third that calls as an operator. */
import { join } from 'node:path';
import type { Workload } from '../../../shared/workload.ts';
import { type BenchContext, builtFile, startInside } from '../context.ts';
import { type Remote, connectCalls } from './calls.ts';
import type { FleetCalls, Wave } from './fleet-process.ts';
import type { FeedStart, Place, Tunnel } from './simulated-agent.ts';

export interface Fleet {
  readonly size: () => number;
  /** Adds agents until there are `size`, enrolled through the API; answers hosts per second of the new ones. */
  grow(size: number, token: string, tunnels?: readonly Tunnel[]): Promise<Growth>;
  setPlace(place: Place): Promise<void>;
  connect(start: FeedStart): Promise<WaveResult>;
  disconnect(): Promise<void>;
  expect(): Promise<void>;
  told(withinMs: number): Promise<Told>;
  /** Sends one report for each of `count` agents; answers how long that took, ms. */
  reports(count: number): Promise<number>;
  /** One host reports another endpoint; answers when the report was sent, ms. */
  move(index: number, port: number): Promise<number>;
  /** One host reports all that runs on it now; answers when the report was sent, ms. */
  run(index: number, workloads: readonly Workload[]): Promise<number>;
  hostIds(): Promise<string[]>;
  operate(key: string, method: string, path: string, body: unknown): Promise<Operated>;
}

export interface Growth {
  readonly count: number;
  readonly seconds: number;
}

export interface Operated {
  readonly sentAt: number;
  readonly answeredAt: number;
  readonly body: string;
}

export interface Told {
  readonly toldAt: readonly number[];
  readonly missing: number;
  readonly bytes: number;
}

export interface WaveResult {
  /** From the first connection's start to each agent's first complete answer, ms. */
  readonly waits: readonly number[];
  readonly resumed: number;
  readonly refused: number;
  /** Why, with counts; empty when nobody was refused. */
  readonly reasons: string;
  readonly bytes: number;
}

const connectionsPerProcess = 8;

export async function createFleet(context: BenchContext, namespace: string): Promise<Fleet> {
  const [first, second, operator] = await Promise.all([
    launch(context, namespace, 'fleet-1'),
    launch(context, namespace, 'fleet-2'),
    launch(context, namespace, 'operator'),
  ]);
  const both = [first, second];
  const each = <T>(work: (one: Remote<FleetCalls>) => Promise<T>): Promise<T[]> => Promise.all(both.map(work));
  let size = 0;
  return {
    size: () => size,
    setPlace: async (place) => void (await Promise.all([...both, operator].map((one) => one.call('setPlace', place)))),
    async grow(wanted, token, tunnels = []) {
      const half = Math.ceil((wanted - size) / 2);
      await first.call('prepare', size, half, tunnels.slice(0, half));
      await second.call('prepare', size + half, wanted - size - half, tunnels.slice(half));
      size = wanted;
      const parts = await each((one) => one.call('enroll', token, connectionsPerProcess));
      const began = Math.min(...parts.map((part) => part.startedAt));
      const ended = Math.max(...parts.map((part) => part.endedAt));
      return { count: parts.reduce((sum, part) => sum + part.count, 0), seconds: (ended - began) / 1000 };
    },
    connect: async (start) => joinWaves(await each((one) => one.call('connect', start))),
    disconnect: async () => void (await each((one) => one.call('disconnect'))),
    expect: async () => void (await each((one) => one.call('expect'))),
    async told(withinMs) {
      const parts = await each((one) => one.call('told', withinMs));
      return {
        toldAt: parts.flatMap((part) => part.toldAt),
        missing: parts.reduce((sum, part) => sum + part.missing, 0),
        bytes: parts.reduce((sum, part) => sum + part.bytes, 0),
      };
    },
    async reports(count) {
      const parts = await each((one) => one.call('reports', Math.ceil(count / 2), connectionsPerProcess));
      return Math.max(...parts.map((part) => part.endedAt)) - Math.min(...parts.map((part) => part.startedAt));
    },
    move: (index, port) => first.call('move', index, port),
    run: (index, workloads) => first.call('run', index, workloads),
    hostIds: async () => (await each((one) => one.call('hostIds'))).flat(),
    operate: (key, method, path, body) => operator.call('operate', key, method, path, body),
  };
}

async function launch(context: BenchContext, namespace: string, name: string): Promise<Remote<FleetCalls>> {
  const socket = join(context.run.dir, `${name}.sock`);
  startInside(context, namespace, [process.execPath, builtFile('test/bench/control/fleet-process.js'), socket]);
  return connectCalls<FleetCalls>(socket);
}

function joinWaves(waves: readonly Wave[]): WaveResult {
  const startedAt = Math.min(...waves.map((wave) => wave.startedAt));
  const reasons = waves.flatMap((wave) => Object.entries(wave.refused).map(([why, count]) => `${why}: ${count}`));
  const sum = (of: (wave: Wave) => number): number => waves.reduce((total, wave) => total + of(wave), 0);
  return {
    waits: waves.flatMap((wave) => wave.readyAt.map((at) => at - startedAt)),
    resumed: sum((wave) => wave.resumed),
    refused: sum((wave) => Object.values(wave.refused).reduce((total, count) => total + count, 0)),
    reasons: reasons.join(', '),
    bytes: sum((wave) => wave.bytes),
  };
}
