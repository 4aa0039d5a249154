/** Answers to what commands on this host ask of the running agent. */
import { WarrenError } from '../../shared/errors.ts';
import { createDockerCalls } from '../docker/calls.ts';
import { createCniCalls } from '../cni/calls.ts';
import { leaveHost } from '../leave.ts';
import type { LocalHandlers, Status } from '../local/api.ts';
import { pingHost } from '../ping.ts';
import type { ObservedWireguard } from '../plan/observed.ts';
import { describeStatus } from '../status.ts';
import { showInterface } from '../system/wg.ts';
import { createAttachHandlers } from './attach.ts';
import { slowNote } from './backend-view.ts';
import type { Context } from './context.ts';
import { ownPrefixes } from './docker.ts';
import { netcheck } from './netcheck.ts';
import { nameCalls } from './names.ts';
import type { Works } from './works.ts';

/** How an agent ends; `reload`: the enrollment changed, start again. */
export type AgentEnd = 'stopped' | 'left' | 'reload';

export interface Endings {
  stop(how: AgentEnd): Promise<void>;
  ended(how: AgentEnd): void;
}

export function createHandlers(context: Context, works: Works, endings: Endings): LocalHandlers {
  const { membership, system, state, link, selfId, agent } = context;
  const cni = createCniCalls({
    book: context.cni,
    system,
    reconciler: works.reconciler,
    isMember: () => membership.self() !== undefined,
  });
  const docker = createDockerCalls(works.docker, context.choices, () => ownPrefixes(context));
  const names = nameCalls(context, works);
  return {
    status: () => readStatus(context, works),
    ...createAttachHandlers(context, works.reconciler),
    ping: async (body) => {
      const map = membership.map();
      if (map === undefined) throw new WarrenError('not-found', 'no network map came yet; see warren status');
      const wireguard = () => freshWireguard(context, works);
      return pingHost({ system, map, selfId, wireguard, pathOf: works.paths.pathOf }, body.host, body.count);
    },
    netcheck: () => netcheck(context, works, () => readStatus(context, works)),
    cniadd: (wish) => cni.add(wish),
    cniremove: async (owner) => {
      await cni.remove(owner);
      return {};
    },
    cnistate: () => Promise.resolve(cni.state()),
    names: () => Promise.resolve(names.list()),
    nameadd: ({ name, addresses }) => names.add(name, addresses),
    nameremove: ({ name }) => names.remove(name),
    query: ({ name, type }) => names.query(name, type),
    variables: async ({ service, alias, reader }) => ({ variables: await names.variables(service, alias, reader) }),
    docker: () => Promise.resolve(docker.networks()),
    advertise: ({ network }) => docker.advertise(network),
    unadvertise: ({ network }) => docker.unadvertise(network),
    lockpin: async ({ root, isReplacing }) => {
      await context.lock.pin(root, isReplacing);
      works.lock.look();
      await works.reconciler.settle();
      return {};
    },
    lockunpin: async () => {
      await context.lock.unpin();
      await works.reconciler.settle();
      return {};
    },
    leave: async ({ isPurge }) => {
      // Cards come back, and what is on cards goes, only while somebody still looks into namespaces.
      await context.attachments.detachAll();
      await works.reconciler.settle();
      await works.hooks.end();
      await works.halt();
      const { subnetEnvFile, dockerSocket } = agent;
      const settings = context.settings();
      const left = await leaveHost({ system, state, link, settings, subnetEnvFile, dockerSocket, isPurge });
      link.close();
      endings.ended('left');
      return left;
    },
    reload: async () => {
      // Answered first: the socket stays, the agent behind it is another one.
      setImmediate(() => void endings.stop('reload'));
      return {};
    },
  };
}

async function readStatus(context: Context, works: Works): Promise<Status> {
  const { membership, clock, agent, host, settings, backend } = context;
  const { reconciler, stream, renewal, account } = works;
  const { applied, desired } = reconciler.reached();
  const { isSlow, ...seen } = backend.seen();
  const map = membership.map();
  return describeStatus({
    agent,
    host,
    map,
    applied,
    now: clock.now(),
    settings: settings(),
    mtu: desired?.mtu,
    state: membership.state(),
    connection: stream.connection(),
    backend: { ...seen, note: isSlow ? slowNote : null },
    wireguard: await freshWireguard(context, works),
    pathOf: works.paths.pathOf,
    waysTo: works.paths.waysTo,
    ground: works.paths.ground(),
    outside: works.paths.outside(),
    relayedPairs: works.relaying.pairCount(),
    isDead: works.paths.isDead,
    postQuantum: works.psk.view,
    innerMtu: works.paths.innerMtu,
    firstSeenAt: membership.firstSeenAt(),
    certificateExpiresAt: renewal.expiresAt(),
    attachments: account.attachments(),
    engine: works.docker.view() ?? null,
    lock: lockView(context),
    failures: account.failures(),
  });
}

/** Asked of the kernel now, where the interface is there to ask. */
async function freshWireguard(
  { system, settings }: Context,
  { reconciler }: Works,
): Promise<ObservedWireguard | undefined> {
  return reconciler.wireguard() === undefined ? undefined : showInterface(system, settings().interfaceName);
}

function lockView({ lock }: Context): Status['lock'] {
  const root = lock.root();
  return root === undefined ? null : { root, height: lock.head()?.height ?? 0 };
}
