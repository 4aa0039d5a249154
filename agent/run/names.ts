/** The name server of a running agent, joined to the rest. */
import { WarrenError } from '../../shared/errors.ts';
import { hostCidr } from '../../shared/net/cidr.ts';
import { type NameCalls, createNameCalls } from '../names/calls.ts';
import { type Names, startNames } from '../names/room.ts';
import type { Docker } from '../docker/room.ts';
import type { Context } from './context.ts';
import { ownPrefixes } from './docker.ts';

export function startNameRoom(context: Context, docker: () => Pick<Docker, 'facts'>, onChange: () => void): Names {
  const { agent, clock, log, selfId, membership, workloads, system, leases } = context;
  return startNames({
    clock,
    log,
    selfId,
    onChange,
    port: agent.isDnsServed ? 53 : 0,
    map: () => membership.usable(),
    own: () => workloads.list(),
    askers: () => [
      ...leases(),
      ...docker()
        .facts()
        .networks.flatMap(({ prefixes }) => prefixes),
    ],
    readResolvConf: async () => (await system.readText(agent.resolvConfFile)) ?? '',
  });
}

export function nameCalls(context: Context, names: Names, docker: Pick<Docker, 'resolve'>): NameCalls {
  const { statics, selfId, membership, workloads } = context;
  return createNameCalls({
    names,
    statics,
    selfId,
    map: () => membership.usable(),
    own: () => workloads.list(),
    surroundings: () => ({
      own: [...(membership.self()?.addresses ?? []).map(hostCidr), ...ownPrefixes(context)],
      hostNames: new Set((membership.map()?.hosts ?? []).map((host) => host.name)),
    }),
    onStatics: (list) => workloads.put('static', list),
    environmentOf: async (workload) => {
      try {
        return (await docker.resolve(workload)).env;
      } catch (error) {
        if (error instanceof WarrenError) return undefined;
        throw error;
      }
    },
  });
}
