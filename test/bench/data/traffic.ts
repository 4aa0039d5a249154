/** Traffic from the first host's container to the second's, and what it cost. */
import { execa } from 'execa';
import { inside, pidsInside, runInside } from '../../support/namespace.ts';
import { until } from '../../support/wait.ts';
import { cpuSecondsOf, cpuSecondsOfMachine } from '../accounting.ts';
import { type BenchContext, startInside } from '../context.ts';
import type { Contender } from './contender.ts';

export interface Transfer {
  readonly mbitPerSecond: number;
  readonly retransmits: number;
  /** CPU seconds per 10^9 bytes: everything on the machine, both ends and iperf3 included. */
  readonly machineCpuPerGb: number;
  /** The same of the processes in the two hosts' namespaces: the tunnel daemons (and Warren's agents). */
  readonly daemonCpuPerGb: number;
}

interface IperfReply {
  readonly intervals: readonly { readonly sum: { readonly bytes: number } }[];
  readonly end: {
    readonly sum_received: { readonly bits_per_second: number };
    readonly sum_sent: { readonly retransmits?: number };
  };
}

/** One TCP stream for `seconds`, after a second that does not count towards the throughput. */
export async function transfer(contender: Contender, seconds: number): Promise<Transfer> {
  const target = contender.target() ?? '';
  const argv = ['iperf3', '-c', target, '-t', String(seconds), '-O', '1', '-J', '--connect-timeout', '3000'];
  const before = await cpuNow(contender);
  const { stdout } = await runInside(sourceOf(contender), argv, { timeoutSeconds: seconds + 20 });
  const after = await cpuNow(contender);
  const reply = JSON.parse(stdout) as IperfReply;
  const gigabytes = reply.intervals.reduce((sum, { sum: one }) => sum + one.bytes, 0) / 1e9;
  return {
    mbitPerSecond: reply.end.sum_received.bits_per_second / 1e6,
    retransmits: reply.end.sum_sent.retransmits ?? 0,
    machineCpuPerGb: (after.machine - before.machine) / gigabytes,
    daemonCpuPerGb: (after.daemons - before.daemons) / gigabytes,
  };
}

export const sourceOf = ({ topology }: Contender): string => topology.hosts[0].container.namespace;

async function cpuNow({ topology }: Contender): Promise<{ machine: number; daemons: number }> {
  const pids = pidsInside(topology.hosts.map((host) => host.namespace));
  const daemons = await Promise.all(pids.map(cpuSecondsOf));
  return { machine: await cpuSecondsOfMachine(), daemons: daemons.reduce((sum, one) => sum + one, 0) };
}

/** Keeps an iperf3 server in the second host's container. */
export async function listenFor(contender: Contender, context: BenchContext): Promise<void> {
  const { namespace } = contender.topology.hosts[1].container;
  startInside(context, namespace, ['iperf3', '-s']);
  await until('iperf3 listens', { seconds: 10 }, async () => {
    const { stdout } = await runInside(namespace, ['ss', '-Hltn', 'sport = :5201']);
    return stdout !== '';
  });
}

/** Round-trip times in ms of `count` pings, one each 5 ms. Lost ones are missing. */
export async function pings(contender: Contender, count: number): Promise<number[]> {
  const argv = ['ping', '-n', '-c', String(count), '-i', '0.005', '-W', '1', contender.target() ?? ''];
  const { stdout } = await runInside(sourceOf(contender), argv, { okCodes: [0, 1] });
  return [...stdout.matchAll(/time=([\d.]+) ms/g)].map((match) => Number(match[1]));
}

/** Milliseconds from `startedAt` (`performance.now()`) to the first echo reply in namespace `from`. */
export function firstPacket(from: string, target: () => string | undefined, startedAt: number): Promise<number> {
  return until('the first packet', { seconds: 60, everyMilliseconds: 5 }, async () => {
    const known = target();
    return known !== undefined && (await isAnswered(from, known)) && performance.now() - startedAt;
  });
}

/** Pings every 20 ms for up to a second and answers as soon as one comes back. */
async function isAnswered(from: string, target: string): Promise<boolean> {
  const [file = '', ...args] = inside(from, ['ping', '-n', '-c', '50', '-i', '0.02', '-w', '1', target]);
  const ping = execa(file, args, { reject: false, stdin: 'ignore', env: { LC_ALL: 'C' } });
  let isBack = false;
  ping.stdout.on('data', (chunk: Buffer) => {
    isBack ||= chunk.includes('bytes from');
    if (isBack) ping.kill('SIGKILL');
  });
  await ping;
  return isBack;
}
