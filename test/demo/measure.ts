/** What the demo measures on a running mesh: who reaches whom, as whom, how fast, and what a disturbance costs. */
import { join } from 'node:path';
import { startCapture } from '../support/capture.ts';
import type { LabContainer } from '../support/lab-container.ts';
import { pairs } from '../support/lab.ts';
import type { Packet } from '../support/pcap.ts';
import { measureStream, readLoss, startTraffic } from '../support/traffic.ts';
import { until } from '../support/wait.ts';
import type { DisturbanceFact, PathFact, ThroughputFact } from './facts.ts';

/** Every container calls every other one, by both families, with `marker` in each packet. */
export async function measurePaths(
  containers: readonly LabContainer[],
  marker: string,
): Promise<{ paths: PathFact[]; markerInside: number }> {
  const captures = await Promise.all(
    containers.map((one) => startCapture(one.namespace, join(one.host.dir, `${one.name}.pcap`), 'icmp', 'or', 'icmp6')),
  );
  const found: Omit<PathFact, 'sourceSeen' | 'isRealSource'>[] = [];
  for (const from of containers) {
    for (const to of containers.filter((one) => one !== from)) {
      for (const family of [4, 6] as const) found.push(await callOnce(from, to, family, marker));
    }
  }
  const recordings = await Promise.all(captures.map((capture) => capture.stop()));
  const paths = found.map((path) => {
    const from = containers.find((one) => one.name === path.from);
    const seenBy = recordings[containers.findIndex((one) => one.name === path.to)];
    return withSource(path, addressOf(from, path.family), seenBy?.packets ?? []);
  });
  return { paths, markerInside: recordings.reduce((sum, one) => sum + one.count(marker), 0) };
}

async function callOnce(
  from: LabContainer,
  to: LabContainer,
  family: 4 | 6,
  marker: string,
): Promise<Omit<PathFact, 'sourceSeen' | 'isRealSource'>> {
  const pattern = Buffer.from(marker).toString('hex');
  const argv = ['ping', '-n', '-c', '5', '-i', '0.01', '-W', '2', '-p', pattern, addressOf(to, family)];
  const { stdout } = await from.run(argv, { okCodes: 'any' });
  const loss = readLoss('', stdout);
  // ping waits for its last replies only as long as the earlier ones took; what is lost is counted elsewhere.
  const isReached = loss.received > 0;
  return { from: from.name, to: to.name, family, isReached, latencyMs: isReached ? loss.median : null };
}

/** Looks for the caller among those who called; names who called instead when it is not there. */
function withSource(
  path: Omit<PathFact, 'sourceSeen' | 'isRealSource'>,
  source: string,
  packets: readonly Packet[],
): PathFact {
  const type = path.family === 4 ? 8 : 128;
  const callers = packets.filter(({ protocol, payload }) => isPing(protocol, path.family) && payload[0] === type);
  const isRealSource = callers.some((packet) => packet.source === source);
  return { ...path, isRealSource, sourceSeen: isRealSource ? source : (callers[0]?.source ?? null) };
}

const isPing = (protocol: number, family: 4 | 6): boolean => protocol === (family === 4 ? 1 : 58);

const addressOf = (container: LabContainer | undefined, family: 4 | 6): string =>
  container?.addresses[family === 4 ? 0 : 1] ?? '';

/** One TCP stream of a second from the first container of each host to the first one of the next. */
export async function measureThroughput(containers: readonly LabContainer[]): Promise<ThroughputFact[]> {
  const facts: ThroughputFact[] = [];
  const firsts = containers.filter((one) => one.host.containers[0] === one);
  for (const [index, from] of firsts.entries()) {
    const to = firsts[(index + 1) % firsts.length] ?? from;
    facts.push({ from: from.name, to: to.name, megabitsPerSecond: await measureStream(from, to) });
  }
  return facts;
}

/** 100 packets a second over every path between the first containers of the hosts while `change` happens. */
export async function measureLoss(
  containers: readonly LabContainer[],
  what: string,
  change: () => Promise<void>,
): Promise<DisturbanceFact> {
  const firsts = containers.filter((one) => one.host.containers[0] === one);
  const all = await Promise.all(pairs(firsts).map(([from, to]) => startTraffic(from, to)));
  await change();
  const goals = all.map((traffic) => ({ traffic, goal: traffic.received() + 150 }));
  // A path that is cut never reaches its goal; the count of lost packets tells it.
  await until('traffic goes on', { seconds: 5 }, () =>
    goals.every(({ traffic, goal }) => traffic.received() >= goal),
  ).catch(() => undefined);
  const losses = await Promise.all(all.map((traffic) => traffic.stop()));
  return {
    what,
    paths: losses.length,
    sent: losses.reduce((sum, loss) => sum + loss.sent, 0),
    lost: losses.reduce((sum, loss) => sum + loss.lost.length, 0),
    longestMs: Math.max(...losses.map((loss) => loss.longest)),
  };
}
