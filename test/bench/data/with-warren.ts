/** Warren as its users run it: a server beside the hosts, and on each host `join`, `agent` and `attach`. */
import { mkdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type LabHost, createLabHost } from '../../support/lab-host.ts';
import { createLabServer } from '../../support/lab-server.ts';
import { pidsInside, runInside } from '../../support/namespace.ts';
import { until } from '../../support/wait.ts';
import { type BenchContext, builtProgram } from '../context.ts';
import type { Contender } from './contender.ts';
import type { BenchHost, Topology } from './topology.ts';

export interface WarrenContender extends Contender {
  /** The wireguard-go that Warren picked, undefined where the kernel's WireGuard serves. Known after `start`. */
  backend(): Promise<string | undefined>;
  /** The second host leaves and may come back. */
  leaveSecond(): Promise<void>;
  joinSecond(): Promise<void>;
}

interface Member {
  readonly lab: LabHost;
  /** The namespace that becomes its container. */
  readonly container: string;
  /** The container's address while it has one. */
  address: string | undefined;
}

export async function createWarren(context: BenchContext, topology: Topology): Promise<WarrenContender> {
  const program = builtProgram();
  const server = createLabServer({ program, ...topology.server, dir: context.run.dir });
  await server.start();
  const token = await server.makeToken('--uses', '1000');
  const first = await createMember(context, topology.hosts[0]);
  const second = await createMember(context, topology.hosts[1]);
  return {
    name: 'warren',
    about: 'join, agent, attach on two hosts and a server beside them, all defaults',
    topology,
    start: async () => void (await Promise.all([enter(first, token), enter(second, token)])),
    stop: async () => void (await Promise.all([exit(first), exit(second)])),
    target: () => second.address,
    backend: () => backendOf(topology.hosts[0]),
    leaveSecond: () => exit(second),
    joinSecond: () => enter(second, token),
  };
}

async function createMember(context: BenchContext, host: BenchHost): Promise<Member> {
  const name = `host-${host.number}`;
  const dir = join(context.run.dir, name);
  await mkdir(dir);
  const { namespace, underlay: address, interfaceName } = host;
  const lab = createLabHost({ program: builtProgram(), name, dir, namespace, address, interfaceName });
  return { lab, container: host.container.namespace, address: undefined };
}

async function enter(member: Member, token: string): Promise<void> {
  const { lab, container } = member;
  await lab.join(token);
  await lab.startAgent();
  // Refused while the agent has no socket or no lease yet.
  const { stdout } = await until(`${lab.name} attaches`, { seconds: 30, everyMilliseconds: 10 }, () =>
    lab.warren(['attach', `netns:${container}`, '--json']),
  );
  member.address = attachReply.parse(JSON.parse(stdout)).address.replace(/\/\d+$/, '');
}

const attachReply = z.object({ address: z.string() });

async function exit(member: Member): Promise<void> {
  member.address = undefined;
  await member.lab.warren(['leave', '--purge']);
  await member.lab.stopAgent();
}

async function backendOf({ namespace }: BenchHost): Promise<string | undefined> {
  const links = await runInside(namespace, ['ip', '-o', 'link', 'show', 'type', 'wireguard'], { okCodes: 'any' });
  if (links.stdout !== '') return undefined;
  const programs = pidsInside([namespace]).map((pid) => readlink(`/proc/${pid}/exe`).catch(() => ''));
  const found = (await Promise.all(programs)).find((path) => path.endsWith('/wireguard-go'));
  if (found === undefined) throw new Error('no wireguard-go runs in the first host; what serves its tunnel?');
  return found;
}
