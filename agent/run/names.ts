/** The name server of a running agent, joined to the rest. */
import { WarrenError } from '../../shared/errors.ts';
import type { NetworkMap } from '../../shared/network-map.ts';
import { hostCidr } from '../../shared/net/cidr.ts';
import { type NameCalls, createNameCalls } from '../names/calls.ts';
import { type Names, startNames } from '../names/room.ts';
import type { Docker } from '../docker/room.ts';
import type { Context } from './context.ts';
import { ownPrefixes } from './docker.ts';
import type { Paths } from './paths.ts';

export function startNameRoom(
  context: Context,
  { docker, paths }: { docker: () => Pick<Docker, 'facts'>; paths: Pick<Paths, 'judge'> },
  onChange: () => void,
): Names {
  const { agent, clock, log, selfId, workloads, system, leases } = context;
  return startNames({
    clock,
    log,
    selfId,
    onChange,
    port: agent.isDnsServed ? 53 : 0,
    // What lies on a host that is dead is not named, with the server down, too.
    map: () => judgedMap(context, paths),
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

function judgedMap({ membership }: Context, paths: Pick<Paths, 'judge'>): NetworkMap | undefined {
  const map = membership.usable();
  return map && paths.judge(map);
}

export function nameCalls(
  context: Context,
  { names, docker, paths }: { names: Names; docker: Pick<Docker, 'resolve'>; paths: Pick<Paths, 'judge'> },
): NameCalls {
  const { statics, selfId, membership, workloads } = context;
  return createNameCalls({
    names,
    statics,
    selfId,
    map: () => judgedMap(context, paths),
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
