/** What the processes of a mesh hold, to be compared between the beginning and the end of a soak. */
import { readFileSync, readdirSync } from 'node:fs';
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

export async function takeHoldings(lab: Lab): Promise<Holdings> {
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
  compare('the largest tunnel', largest(before.tunnels), largest(after.tunnels), false);
  return found;
}

/** Of each figure the largest. */
export function largest(all: readonly Held[]): Held {
  return {
    rssMib: Math.max(0, ...all.map((one) => one.rssMib)),
    cpuSeconds: Math.max(0, ...all.map((one) => one.cpuSeconds)),
    descriptors: Math.max(0, ...all.map((one) => one.descriptors)),
  };
}

export function describeHoldings(when: string, { server, agents, tunnels }: Holdings): string {
  const line = (what: string, held: Held): string =>
    `  ${what.padEnd(18)} RSS ${held.rssMib.toFixed(0)} MiB, CPU ${held.cpuSeconds.toFixed(1)} s, ${held.descriptors} descriptors`;
  const sum = (all: readonly Held[]): string => all.reduce((total, one) => total + one.rssMib, 0).toFixed(0);
  return [
    `${when}:`,
    line('server', server),
    `${line('largest agent', largest(agents))}; all ${agents.length} agents together ${sum(agents)} MiB`,
    `${line('largest tunnel', largest(tunnels))}; all ${tunnels.length} tunnels together ${sum(tunnels)} MiB`,
  ].join('\n');
}
