/** One change in a mesh of connected agents: who was told when, and what it cost the server. */
import { setTimeout as pause } from 'node:timers/promises';
import { showHost, updateHost } from '../../../shared/api/hosts.ts';
import { addressAt, cidrFamily } from '../../../shared/net/cidr.ts';
import { type Workload, parseLabel } from '../../../shared/workload.ts';
import { quantile } from '../figures.ts';
import type { Fleet } from './fleet.ts';
import type { ProbedServer } from './probed-server.ts';

export interface Change {
  /** Server CPU from before the request came to the first byte to an agent, ms: request, transaction, delta. */
  readonly firstByteCpuMs: number;
  /** From the request's start to the first byte, ms. */
  readonly firstByteMs: number;
  /** Server CPU until everybody was told, ms. */
  readonly cpuMs: number;
  /** From the request's start until agents had the whole delta, ms. */
  readonly toldP50: number;
  readonly toldP99: number;
  readonly toldLast: number;
  readonly lagMaxMs: number;
  readonly bytesPerAgent: number;
}

const longestMs = 15_000;

/** A change to what is already there is none; nothing may repeat. */
let changes = 0;

/** An operator renames a host. */
export async function rename(server: ProbedServer, fleet: Fleet, hostId: string): Promise<Change> {
  const path = updateHost.path.replace('{id}', hostId);
  changes += 1;
  const name = `renamed-${changes}`;
  return observe(
    server,
    fleet,
    async () => (await fleet.operate(server.key, updateHost.method, path, { name })).sentAt,
  );
}

/** A host reports that it listens elsewhere. */
export async function move(server: ProbedServer, fleet: Fleet, index: number): Promise<Change> {
  changes += 1;
  return observe(server, fleet, () => fleet.move(index, 40_000 + changes));
}

/** A container starts on a host that runs 20 others; its record, with all of them, goes to everybody. */
export async function startContainer(server: ProbedServer, fleet: Fleet, index: number): Promise<Change> {
  const containers = await containersOf(server, fleet, index);
  // That the 20 run is a change as well; everybody must have been told of it before the next is looked at.
  await observe(server, fleet, () => fleet.run(index, containers.slice(0, -1)));
  return observe(server, fleet, () => fleet.run(index, containers));
}

async function containersOf(server: ProbedServer, fleet: Fleet, index: number): Promise<Workload[]> {
  const path = showHost.path.replace('{id}', (await fleet.hostIds())[index] ?? '');
  const { body } = await fleet.operate(server.key, showHost.method, path, undefined);
  const leases = showHost.reply.parse(JSON.parse(body)).leases.filter((lease) => cidrFamily(lease) === 4);
  return Array.from({ length: 21 }, (_, n) => ({
    name: parseLabel(`shop_web_${n}`),
    services: [parseLabel('web'), parseLabel('shop-web')],
    addresses: leases.map((lease) => addressAt(lease, BigInt(n + 2))),
    ports: [{ port: 80, protocol: 'tcp' as const }],
    segment: null,
    isHealthy: true,
    variables: [],
  }));
}

/** `act` answers when it asked for the change, on the machine's monotonic clock. */
async function observe(server: ProbedServer, fleet: Fleet, act: () => Promise<number>): Promise<Change> {
  // The feed tells a first change at once and gathers those that follow; this one is a first.
  await pause(300);
  await fleet.expect();
  await server.probe.call('arm');
  const sentAt = await act();
  const { toldAt, missing, bytes } = await fleet.told(longestMs);
  const { first, cpuMs, lagMaxMs } = await server.probe.call('disarm');
  if (missing > 0) throw new Error(`${missing} agents were not told of a change within ${longestMs / 1000} s`);
  if (first === undefined) throw new Error('the probe saw no delta leave');
  const waits = toldAt.map((at) => at - sentAt);
  return {
    firstByteCpuMs: first.cpuMs,
    firstByteMs: first.atMs - sentAt,
    cpuMs,
    toldP50: quantile(waits, 0.5),
    toldP99: quantile(waits, 0.99),
    toldLast: quantile(waits, 1),
    lagMaxMs,
    bytesPerAgent: bytes / waits.length,
  };
}
