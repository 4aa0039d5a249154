/**
 * Continuous traffic between containers that tells exactly which packets were lost: `ping`, 100 a second by default, its
 * every reply written down. The payload can carry a marker to be looked for on the wire.
 */
import { join } from 'node:path';
import type { LabContainer } from './lab-container.ts';
import { inside } from './namespace.ts';
import { startProcess } from './process.ts';
import { until } from './wait.ts';

export interface TrafficOptions {
  readonly perSecond?: number;
  /** At most 16 characters, repeated in every packet. */
  readonly marker?: string;
  readonly family?: 4 | 6;
}

export interface Traffic {
  /** Replies so far. */
  received(): number;
  stop(): Promise<Loss>;
}

export interface Loss {
  readonly path: string;
  readonly sent: number;
  readonly received: number;
  /** Sequence numbers that were never answered. */
  readonly lost: readonly number[];
  readonly duplicates: number;
  /** Round-trip times in milliseconds. */
  readonly median: number;
  readonly longest: number;
}

/** Packets still under way when the traffic is stopped are no loss; more than this cannot be under way. */
const underWay = 20;

/** Starts traffic and waits for its first reply. */
export async function startTraffic(
  from: LabContainer,
  to: LabContainer,
  options: TrafficOptions = {},
): Promise<Traffic> {
  const target = to.addresses[options.family === 6 ? 1 : 0] ?? '';
  const path = `${from.name} -> ${to.name} (${target})`;
  const interval = String(1 / (options.perSecond ?? 100));
  const pattern = options.marker === undefined ? [] : ['-p', Buffer.from(options.marker.slice(0, 16)).toString('hex')];
  const logFile = join(from.host.dir, `ping-${from.name}-${to.name}-${Math.random().toString(36).slice(2)}.log`);
  const ping = startProcess(inside(from.namespace, ['ping', '-n', '-i', interval, ...pattern, target]), { logFile });
  const received = (): number => repliesIn(ping.output()).length;
  await until(`traffic flows ${path}`, { seconds: 10 }, () => received() > 0);
  return {
    received,
    async stop() {
      await ping.stop('SIGINT');
      return readLoss(path, ping.output());
    },
  };
}

/** The longest row of packets that were never answered. */
export function longestGap(lost: readonly number[]): number {
  let longest = 0;
  let row = 0;
  lost.forEach((number, i) => {
    row = lost[i - 1] === number - 1 ? row + 1 : 1;
    longest = Math.max(longest, row);
  });
  return longest;
}

/** Reads what iputils' ping printed. */
export function readLoss(path: string, output: string): Loss {
  const replies = repliesIn(output);
  const seen = new Set(replies.map((reply) => reply.sequence));
  const sent = Number(/(\d+) packets transmitted/.exec(output)?.[1] ?? 0);
  const last = Math.max(0, ...seen);
  const until = sent - last <= underWay ? last : sent;
  const lost = Array.from({ length: until }, (_, i) => i + 1).filter((sequence) => !seen.has(sequence));
  const times = replies.map((reply) => reply.milliseconds).sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)] ?? NaN;
  const duplicates = replies.length - seen.size;
  return { path, sent, received: seen.size, lost, duplicates, median, longest: times.at(-1) ?? NaN };
}

function repliesIn(output: string): { sequence: number; milliseconds: number }[] {
  return [...output.matchAll(/^\d+ bytes from .* icmp_seq=(\d+) .*time=([\d.]+) ms/gm)].map(([, sequence, time]) => ({
    sequence: Number(sequence),
    milliseconds: Number(time),
  }));
}

/** One TCP stream of a second over IPv4, in Mbit/s as received. */
export async function measureStream(from: LabContainer, to: LabContainer): Promise<number> {
  const server = to.run(['iperf3', '-s', '-1', '--idle-timeout', '30'], { okCodes: 'any' });
  await until('iperf3 listens', { seconds: 5 }, async () => (await to.run(['ss', '-Hltn'])).stdout.includes(':5201'));
  const { stdout } = await from.run(['iperf3', '-c', to.addresses[0] ?? '', '-t', '1', '-J'], { okCodes: 'any' });
  await server;
  const { end } = JSON.parse(stdout) as { end?: { sum_received?: { bits_per_second: number } } };
  return Math.round((end?.sum_received?.bits_per_second ?? 0) / 1e6);
}
