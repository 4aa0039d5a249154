/** Reads figures and verdicts off the rounds. Pure. */
import {
  type Figure,
  type SectionResult,
  type Verdict,
  atLeast,
  atMost,
  figure,
  median,
  medianInterval,
  ratios,
  shown,
} from '../figures.ts';
import type { Contender } from './contender.ts';
import type { Rounds } from './data.ts';
import type { Starts } from './starts.ts';
import type { Transfer } from './traffic.ts';

export function judgeData(rounds: Rounds, starts: Starts, contenders: readonly Contender[]): SectionResult {
  const compared = compare(rounds);
  return {
    section: 'data',
    figures: [...Object.values(compared), ...absolutes(rounds, contenders), starts.join, ...starts.together],
    verdicts: verdicts(compared, starts.join),
    method: [
      'Two hosts, one container each, per contender, in network namespaces of one machine; both ends, iperf3 and the daemons share its cores.',
      'One TCP stream of iperf3 per round; round trips are the median of one round of pings, one each 5 ms.',
      'By hand is the mean of two identical copies measured before and after Warren in every round; Warren runs with everything it does by default (bridge, firewall table, agents, server).',
      ...contenders.map((one) => `${one.name}: ${one.about}`),
    ],
  };
}

interface Compared {
  readonly throughput: Figure;
  readonly throughputControl: Figure;
  readonly latency: Figure;
  readonly latencyControl: Figure;
  readonly daemonCpu: Figure;
  readonly toTinc: Figure;
  readonly toNebula: Figure;
}

function compare({ transfers, roundTrips }: Rounds): Compared {
  const speed = (name: string): number[] => column(transfers.get(name), (one) => one.mbitPerSecond);
  const cpu = (name: string): number[] => column(transfers.get(name), (one) => one.daemonCpuPerGb);
  const trip = (name: string): number[] => column(roundTrips.get(name), (one) => one);
  const both = (of: (name: string) => number[]): number[] => means(of('by hand'), of('by hand again'));
  const against = (name: string): number[] => present(ratios(speed('warren'), speed(name)));
  return {
    throughput: figure('data/ratio/throughput/warren to by hand', '', ratios(speed('warren'), both(speed))),
    throughputControl: figure(
      'data/ratio/throughput/by hand to itself',
      '',
      ratios(speed('by hand again'), speed('by hand')),
    ),
    latency: figure('data/ratio/round trip/warren to by hand', '', ratios(trip('warren'), both(trip))),
    latencyControl: figure(
      'data/ratio/round trip/by hand to itself',
      '',
      ratios(trip('by hand again'), trip('by hand')),
    ),
    daemonCpu: figure('data/ratio/daemon CPU per GB/warren to by hand', '', ratios(cpu('warren'), both(cpu))),
    toTinc: figure('data/ratio/throughput/warren to tinc', '', against('tinc')),
    toNebula: figure('data/ratio/throughput/warren to nebula', '', against('nebula')),
  };
}

function verdicts(compared: Compared, join: Figure): Verdict[] {
  const { throughput, throughputControl, latency, latencyControl } = compared;
  const added = (median(latency.samples) - 1) * 100;
  return [
    atLeast(
      'throughput, Warren to WireGuard by hand',
      0.97,
      median(throughput.samples),
      '',
      within(throughput, throughputControl),
    ),
    atMost('added latency, Warren to WireGuard by hand', 5, added, '%', within(latency, latencyControl)),
    atLeast(
      'throughput, Warren to tinc (ahead)',
      1,
      median(compared.toTinc.samples),
      '',
      `n = ${compared.toTinc.samples.length}`,
    ),
    atLeast(
      'throughput, Warren to nebula (ahead)',
      1,
      median(compared.toNebula.samples),
      '',
      `n = ${compared.toNebula.samples.length}`,
    ),
    atMost(
      '`warren join` to the first packet between containers',
      2,
      median(join.samples) / 1000,
      's',
      `n = ${join.samples.length}`,
    ),
  ];
}

/** What the number can be trusted for: its own interval, and what two equal things differ by under the same method. */
function within(measured: Figure, control: Figure): string {
  const [own, same] = [medianInterval(measured.samples), medianInterval(control.samples)];
  return `ratio's 95 % interval ${shown(own.low)}-${shown(own.high)}, by hand to itself ${shown(same.low)}-${shown(same.high)}, n = ${measured.samples.length}`;
}

function absolutes({ transfers, roundTrips }: Rounds, contenders: readonly Contender[]): Figure[] {
  return contenders.flatMap(({ name }) => {
    const read = (pick: (one: Transfer) => number): number[] => present(column(transfers.get(name), pick));
    return [
      figure(
        `data/throughput/${name}`,
        'Mbit/s',
        read((one) => one.mbitPerSecond),
      ),
      figure(`data/round trip/${name}`, 'ms', present(column(roundTrips.get(name), (one) => one))),
      figure(
        `data/daemon CPU/${name}`,
        's/GB',
        read((one) => one.daemonCpuPerGb),
      ),
      figure(
        `data/machine CPU/${name}`,
        's/GB',
        read((one) => one.machineCpuPerGb),
      ),
      figure(
        `data/retransmits/${name}`,
        'per round',
        read((one) => one.retransmits),
      ),
    ];
  });
}

/** One number a round, NaN where the contender sat it out, so that rounds stay aligned. */
function column<T>(rounds: readonly (T | undefined)[] | undefined, pick: (one: T) => number): number[] {
  return Array.from(rounds ?? [], (one) => (one === undefined ? NaN : pick(one)));
}

const present = (samples: readonly number[]): number[] => samples.filter((one) => !Number.isNaN(one));
const means = (a: readonly number[], b: readonly number[]): number[] => a.map((one, i) => (one + (b[i] ?? NaN)) / 2);
