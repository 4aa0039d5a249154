/** What the processes of a mesh hold, to be compared between the beginning and the end of a soak. */
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Lab } from '../support/lab.ts';
import { pidsInside } from '../support/namespace.ts';
import { cpuSecondsOf, rssMibOf } from '../bench/accounting.ts';

export interface Held {
  readonly rssMib: number;
  readonly cpuSeconds: number;
  readonly descriptors: number;
}

export interface Holdings {
  readonly server: Held;
  readonly agents: readonly Held[];
  readonly tunnels: readonly Held[];
}

/** Commands under way have pipes, and garbage waits to be collected: what is held is the least of a few looks. */
const looks = 6;
const lookMs = 3_000;

export async function takeHoldings(lab: Lab): Promise<Holdings> {
  let held = await look(lab);
  for (let n = 1; n < looks; n += 1) {
    await pause(lookMs);
    const next = await look(lab);
    held = {
      server: least(held.server, next.server),
      agents: next.agents.map((one, i) => least(one, held.agents[i] ?? one)),
      tunnels: next.tunnels,
    };
  }
  return held;
}

const least = (one: Held, other: Held): Held => ({
  rssMib: Math.min(one.rssMib, other.rssMib),
  cpuSeconds: Math.max(one.cpuSeconds, other.cpuSeconds),
  descriptors: Math.min(one.descriptors, other.descriptors),
});

async function look(lab: Lab): Promise<Holdings> {
  const tunnels = pidsInside(lab.hosts.map((host) => host.namespace)).filter(isTunnel);
  return {
    server: await holdingOf(lab.server.pid()),
    agents: await Promise.all(lab.hosts.map((host) => holdingOf(host.agentPid()))),
    tunnels: await Promise.all(tunnels.map(holdingOf)),
  };
}

async function holdingOf(pid: number): Promise<Held> {
  const [rssMib, cpuSeconds] = [await rssMibOf(pid), await cpuSecondsOf(pid)];
  return { rssMib, cpuSeconds, descriptors: descriptorsOf(pid) };
}

function descriptorsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

function isTunnel(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('wireguard-go');
  } catch {
    return false;
  }
}

/** Garbage that is not collected yet is no growth; what grows for half an hour is far above these. */
const rssFactor = 1.5;
const rssSlackMib = 48;
const descriptorSlack = 16;

/** What grew too much, as sentences; tunnels' memory follows their traffic (Go keeps it), so only descriptors count. */
export function whatGrew(before: Holdings, after: Holdings): string[] {
  const limit = (mib: number): number => mib * rssFactor + rssSlackMib;
  const found: string[] = [];
  const compare = (what: string, one: Held, other: Held, isMemoryCounted = true): void => {
    if (isMemoryCounted && other.rssMib > limit(one.rssMib)) {
      found.push(`${what} grew from ${one.rssMib.toFixed(0)} to ${other.rssMib.toFixed(0)} MiB`);
    }
    if (other.descriptors > one.descriptors + descriptorSlack) {
      found.push(`${what} had ${one.descriptors} descriptors and has ${other.descriptors}`);
    }
  };
  compare('the server', before.server, after.server);
  compare('the largest agent', largest(before.agents), largest(after.agents));
  compare('the median agent', median(before.agents), median(after.agents));
  compare('the largest tunnel', largest(before.tunnels), largest(after.tunnels), false);
  return found;
}

/** The one in the middle, by memory. */
function median(all: readonly Held[]): Held {
  const sorted = [...all].sort((one, other) => one.rssMib - other.rssMib);
  return sorted[Math.floor(sorted.length / 2)] ?? largest([]);
}

/** Of each figure the largest. */
function largest(all: readonly Held[]): Held {
  return {
    rssMib: Math.max(0, ...all.map((one) => one.rssMib)),
    cpuSeconds: Math.max(0, ...all.map((one) => one.cpuSeconds)),
    descriptors: Math.max(0, ...all.map((one) => one.descriptors)),
  };
}

/** CPU is since each process began, and agents that were killed began anew. */
export function describeHoldings(when: string, { server, agents, tunnels }: Holdings): string {
  const line = (what: string, all: readonly Held[]): string => {
    const rss = spread(all.map((one) => one.rssMib));
    const cpu = spread(all.map((one) => one.cpuSeconds));
    const descriptors = spread(all.map((one) => one.descriptors));
    const sum = (values: readonly number[]): string => values.reduce((total, one) => total + one, 0).toFixed(0);
    const together = `together ${sum(all.map((one) => one.rssMib))} MiB, ${sum(all.map((one) => one.cpuSeconds))} s`;
    return `  ${what.padEnd(10)} RSS ${rss} MiB, CPU ${cpu} s, ${descriptors} descriptors${all.length > 1 ? `; ${together}` : ''}`;
  };
  return [
    `${when} (min/median/max):`,
    line('server', [server]),
    line(`${agents.length} agents`, agents),
    line(`${tunnels.length} tunnels`, tunnels),
  ].join('\n');
}

/** Smallest, median and largest; one value alone where all are the same. */
function spread(values: readonly number[]): string {
  const sorted = [...values].sort((one, other) => one - other);
  const at = (index: number): string => (sorted[index] ?? 0).toFixed(0);
  const [least, median, most] = [at(0), at(Math.floor(sorted.length / 2)), at(sorted.length - 1)];
  return least === most ? median : `${least}/${median}/${most}`;
}
