/** Routing without a tunnel: what the two hosts could do if nobody listened. Context, never a baseline. */
import { ipBatch } from '../../support/command.ts';
import type { Contender } from './contender.ts';
import { type BenchHost, type Topology, plugContainer, unplugContainer } from './topology.ts';

export function createPlain(topology: Topology): Contender {
  const [one, two] = topology.hosts;
  return {
    name: 'plain',
    about: 'routes through the underlay, no encryption, MTU 1500, segmentation offload on',
    topology,
    start: async () => void (await Promise.all([join(topology, one), join(topology, two)])),
    stop: async () => void (await Promise.all([leave(topology, one), leave(topology, two)])),
    target: () => two.container.address,
  };
}

/** The underlay itself learns the way to the container, which no real one would. */
async function join({ router }: Topology, host: BenchHost): Promise<void> {
  await plugContainer(host, 1500);
  await ipBatch([`route add ${host.container.subnet} via ${host.underlay}`], router);
}

async function leave({ router }: Topology, host: BenchHost): Promise<void> {
  await unplugContainer(host);
  await ipBatch([`route del ${host.container.subnet}`], router);
}
