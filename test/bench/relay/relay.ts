/**
 * What a relay costs: the same two hosts directly, through Warren's blind relay, and through a hub that decrypts, in
 * interleaved rounds; ratios are taken within a round.
 */
import type { LabHost } from '../../support/lab-host.ts';
import { until } from '../../support/wait.ts';
import { cpuSecondsOfMachine } from '../accounting.ts';
import type { BenchContext } from '../context.ts';
import { type SectionResult, atLeast, figure, median, ratios } from '../figures.ts';
import { type RelayField, createRelayField } from './field.ts';

interface Stream {
  readonly mbitPerSecond: number;
  /** Of everything on the machine, both ends and iperf3 included. */
  readonly cpuPerGb: number;
}

export async function benchRelay({ isQuick, tell }: BenchContext): Promise<SectionResult> {
  const field = await createRelayField();
  try {
    const rounds: { direct: Stream; relay: Stream; hub: Stream }[] = [];
    const seconds = isQuick ? 1 : 4;
    for (let round = 0; round < (isQuick ? 2 : 8); round += 1) {
      rounds.push(await measureRound(field, round % 2 === 1, seconds));
      tell(`relay round ${round + 1} done`);
    }
    return judge(rounds);
  } finally {
    field.close();
  }
}

/** Forth and back, so that a slow drift cancels. */
async function measureRound(field: RelayField, isBack: boolean, seconds: number): Promise<Record<Way, Stream>> {
  const measured: Partial<Record<Way, Stream>> = {};
  const order: readonly Way[] = isBack ? ['hub', 'relay', 'direct'] : ['direct', 'relay', 'hub'];
  for (const way of order) {
    if (way !== 'hub') await field.take(way);
    measured[way] = await stream(field.from, field.to, way === 'hub' ? field.overHub : field.overWarren, seconds);
  }
  return measured as Record<Way, Stream>;
}

type Way = 'direct' | 'relay' | 'hub';

async function stream(from: LabHost, to: LabHost, target: string, seconds: number): Promise<Stream> {
  const server = to.run(['iperf3', '-s', '-1', '--idle-timeout', '60'], { okCodes: 'any', timeoutSeconds: 90 });
  await until(
    'iperf3 listens',
    { seconds: 10 },
    async () => (await to.run(['ss', '-Hltn', 'sport = :5201'])).stdout !== '',
  );
  const before = await cpuSecondsOfMachine();
  const argv = ['iperf3', '-c', target, '-t', String(seconds), '-O', '1', '-J', '--connect-timeout', '5000'];
  const { stdout } = await from.run(argv, { timeoutSeconds: seconds + 30 });
  const cpu = (await cpuSecondsOfMachine()) - before;
  await server;
  const { intervals, end } = JSON.parse(stdout) as {
    intervals: { sum: { bytes: number } }[];
    end: { sum_received: { bits_per_second: number } };
  };
  const gigabytes = intervals.reduce((sum, { sum: one }) => sum + one.bytes, 0) / 1e9;
  return { mbitPerSecond: end.sum_received.bits_per_second / 1e6, cpuPerGb: cpu / gigabytes };
}

function judge(rounds: readonly Record<Way, Stream>[]): SectionResult {
  const speed = (way: Way): number[] => rounds.map((round) => round[way].mbitPerSecond);
  const cpu = (way: Way): number[] => rounds.map((round) => round[way].cpuPerGb);
  const [toDirect, toHub] = [ratios(speed('relay'), speed('direct')), ratios(speed('relay'), speed('hub'))];
  return {
    section: 'relay',
    figures: [
      figure('relay/ratio/throughput/relay to direct', '', toDirect),
      figure('relay/ratio/throughput/relay to hub', '', toHub),
      figure('relay/ratio/machine CPU per GB/relay to direct', '', ratios(cpu('relay'), cpu('direct'))),
      figure('relay/ratio/machine CPU per GB/hub to direct', '', ratios(cpu('hub'), cpu('direct'))),
      ...(['direct', 'relay', 'hub'] as const).map((way) => figure(`relay/throughput/${way}`, 'Mbit/s', speed(way))),
    ],
    verdicts: [
      atLeast('throughput through a relay to the direct way', 0.9, median(toDirect), ''),
      atLeast('throughput through a relay to a hub that decrypts', 2, median(toHub), ''),
    ],
    method: [
      'Two hosts and a third between them in network namespaces of one machine; one TCP stream of iperf3 from host to host per way and round. All share its cores, and both ends encrypt in user space: what the relay itself could forward is more.',
      'Warren goes directly or by the relay as a wall on the wire of one host makes it; the hub is wireguard-go on the third host, set up by hand with wg and ip, forwarding in the kernel.',
    ],
  };
}
