/** Hooks are told of what the last pass wanted and the last look at the tunnel saw. */
import { type Hooks, startHooks } from '../hooks/room.ts';
import { reachOf } from '../hooks/reach.ts';
import type { Reconciler } from '../reconcile.ts';
import type { Context } from './context.ts';
import type { Paths } from './paths.ts';

export function startHookRoom(
  { agent, system, clock, log, host, selfId, membership, settings }: Context,
  reconciler: Pick<Reconciler, 'reached' | 'wireguard'>,
  paths: Pick<Paths, 'verdicts'>,
  onChange: () => void,
): Hooks {
  return startHooks({
    dir: agent.hooksDir,
    runDir: agent.runDir,
    system,
    clock,
    log,
    onChange,
    place: () => ({
      instance: agent.instance,
      hostName: membership.self()?.name ?? host.name,
      interfaceName: settings().interfaceName,
      bridgeName: settings().bridgeName,
    }),
    reach: (before) => {
      const map = membership.map();
      const { desired } = reconciler.reached();
      const wireguard = reconciler.wireguard();
      if (map === undefined || desired === undefined || wireguard === undefined) return undefined;
      return reachOf({ map, selfId, desired, wireguard, liveness: paths.verdicts(), before, now: clock.now() });
    },
  });
}
