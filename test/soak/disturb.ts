/** What happens to hosts during a soak, drawn from a seed: flaps, moves, kills. Each is undone by `mend` at the latest. */
import type { LabHost } from '../support/lab-host.ts';
import type { NatBox } from '../support/lab-nat.ts';
import type { Lab } from '../support/lab.ts';
import { pidsInside } from '../support/namespace.ts';
import type { Chance } from '../loop/random.ts';

export interface Disturbances {
  /** Does one thing, and answers what it was. */
  next(): Promise<string>;
  /** Links up, agents and server running. Where hosts have moved to, they stay. */
  mend(): Promise<void>;
}

type Deed = (host: LabHost) => Promise<string>;

export function createDisturbances(lab: Lab, boxes: readonly NatBox[], chance: Chance): Disturbances {
  const cut = new Set<LabHost>();
  const dead = new Set<LabHost>();
  const behind = new Map<LabHost, NatBox>();
  /** The relay stays where everybody reaches it. */
  const movable = lab.hosts.slice(1);

  const revive = async (host: LabHost): Promise<void> => {
    await host.startAgent();
    dead.delete(host);
  };
  const join = async (host: LabHost): Promise<void> => {
    await host.run(['ip', 'link', 'set', 'eth0', 'up']);
    const gateway = behind.has(host) ? host.address.replace(/\d+$/, '1') : '10.0.0.1';
    await host.run(['ip', 'route', 'replace', 'default', 'via', gateway, 'dev', 'eth0', 'onlink']);
    cut.delete(host);
  };
  const deeds: readonly Deed[] = [
    async (host) => {
      if (cut.has(host)) {
        await join(host);
        return `${host.name} has its link again`;
      }
      await host.run(['ip', 'link', 'set', 'eth0', 'down']);
      cut.add(host);
      return `${host.name} loses its link`;
    },
    async (host) => {
      cut.delete(host);
      const box = chance.pick([undefined, ...boxes]);
      await lab.move(host, box ?? lab.underlay);
      if (box === undefined) behind.delete(host);
      else behind.set(host, box);
      return `${host.name} moves ${box === undefined ? 'to a bare address' : `behind a box, ${box.kind}`}`;
    },
    async (host) => {
      if (dead.has(host)) {
        await revive(host);
        return `the agent of ${host.name} starts`;
      }
      await host.stopAgent('SIGKILL');
      dead.add(host);
      return `the agent of ${host.name} is killed`;
    },
    (host) => {
      const tunnels = pidsInside([host.namespace]).filter((pid) => pid !== host.agentPid());
      const victim = chance.pick(tunnels);
      if (victim !== undefined) process.kill(victim, 'SIGKILL');
      return Promise.resolve(`a process of ${host.name} is killed, its tunnel perhaps`);
    },
    async () => {
      const box = chance.pick(boxes);
      await box?.rebind();
      return `a box starts anew, ${box?.kind}`;
    },
    async () => {
      if (!chance.happens(0.2)) return 'nothing happens';
      await lab.server.stop(chance.happens(0.5) ? 'SIGKILL' : 'SIGTERM');
      await lab.server.start();
      return 'the server starts again';
    },
  ];
  return {
    async next() {
      const [host, deed] = [chance.pick(movable), chance.pick(deeds)];
      return host === undefined || deed === undefined ? 'nothing happens' : deed(host);
    },
    async mend() {
      for (const host of cut) await join(host);
      for (const host of dead) await revive(host);
    },
  };
}
