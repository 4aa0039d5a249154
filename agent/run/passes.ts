/** What a pass of the reconciler works on, and what must be written down around it. */
import { type Address, isAddress } from '../../shared/net/address.ts';
import { nameMembers } from '../bridged/names.ts';
import type { Clock } from '../clock.ts';
import { goneOf } from '../attach/gone.ts';
import { specsOf } from '../attach/spec.ts';
import { attachedWorkloads } from '../attach/workloads.ts';
import { dhcpWishes } from '../dhcp/wishes.ts';
import type { Docker } from '../docker/room.ts';
import type { Hooks } from '../hooks/room.ts';
import type { Names } from '../names/room.ts';
import { seedOf } from '../config.ts';
import type { Step } from '../plan/step.ts';
import { bindingsOf, portsOf } from '../plugin/start.ts';
import { type Inputs, type Reached, type Reconciler, startReconciler } from '../reconcile.ts';
import type { HostFile, State } from '../state.ts';
import type { Context } from './context.ts';
import { engineMembersOf } from './docker.ts';
import type { Paths } from './paths.ts';
import type { Psk } from './psk.ts';

/** The rooms whose word a pass goes by; asked when it begins. */
export interface Rooms {
  readonly docker: () => Docker;
  readonly names: () => Names;
  readonly paths: () => Paths;
  readonly hooks: () => Pick<Hooks, 'look'>;
  readonly psk: () => Pick<Psk, 'reached'>;
}

export function startPasses(
  context: Context,
  { docker, names, paths, hooks, psk }: Rooms,
  onNews: () => void,
): Reconciler {
  const { system, clock, log, state, beside, attachments, cni, dhcp, members, settings, backend } = context;
  const wishes = () => dhcpWishes(attachments.list(), seedOf(context.agent));
  let heard: Promise<void> | undefined;
  return startReconciler({
    system,
    clock,
    log,
    beside,
    inputs: async () => {
      await (heard ??= firstWord(docker(), names(), clock));
      return readInputs(context, docker(), names(), paths());
    },
    isInputChanged: async () => {
      const isMoved = await members.refresh();
      const isFreed = await cni.refresh();
      const isForgotten = await beside.isChanged();
      const isFetched = await dhcp.isChanged(wishes());
      return (await attachments.refresh()) || isMoved || isFreed || isForgotten || isFetched;
    },
    onSteps: (steps) => keepSysctls(state, steps),
    onReached: (reached) => {
      backend.look(reached, settings(), onNews);
      writeSubnetEnv(context, reached);
      context.membership.saveAgain();
      void attachments.forget(goneOf(attachments.list(), reached, seedOf(context.agent)));
      void dhcp.start(wishes().present.filter(({ netnsPath }) => isAttached(reached, netnsPath)));
      docker().wake();
      paths().reached(reached);
      psk().reached(reached);
      names().listen(gatewaysOf(reached));
      hooks().look();
      onNews();
    },
  });
}

/** Clients talk through interfaces that are there. */
const isAttached = ({ desired, failures }: Reached, netnsPath: string): boolean =>
  desired?.attachments.some((spec) => spec.netnsPath === netnsPath) === true &&
  !failures.some(({ subject }) => subject === netnsPath);

/**
 * A first pass that knew nothing of the engine would take away what its containers use, and one without name servers the
 * rules that lead to them; what hangs is not waited for.
 */
const firstWordMs = 1_000;

async function firstWord(docker: Pick<Docker, 'settle'>, names: Pick<Names, 'ready'>, clock: Clock): Promise<void> {
  const { promise, end } = lateness(clock);
  await Promise.race([Promise.all([docker.settle(), names.ready()]), promise]);
  end();
}

function lateness(clock: Clock): { readonly promise: Promise<void>; readonly end: () => void } {
  let end = (): void => undefined;
  const promise = new Promise<void>((resolve) => {
    const timer = clock.after(firstWordMs, resolve);
    end = () => timer.cancel();
  });
  return { promise, end: () => end() };
}

/** Undefined while there is nothing to work on. */
async function readInputs(
  context: Context,
  docker: Pick<Docker, 'facts' | 'networks' | 'endpoints'>,
  names: Pick<Names, 'resolvers'>,
  paths: Pick<Paths, 'facts'>,
): Promise<Inputs | undefined> {
  const { membership, attachments, members, workloads, plugin, cni, ports, agent, link, host, ground, settings } =
    context;
  const map = membership.usable();
  if (map === undefined) return undefined;
  await attachments.refresh();
  await context.dhcp.settle(dhcpWishes(attachments.list(), seedOf(agent)));
  await members.refresh();
  await cni.refresh();
  workloads.put('attach', attachedWorkloads(attachments.list(), ground()));
  workloads.put('cni', cni.workloads());
  workloads.put('bridged', nameMembers([...members.members(), ...engineMembersOf(context, docker).members]));
  const serverAddress = link.path()?.server ?? literalServer(host);
  const known = serverAddress === undefined ? settings() : { ...settings(), serverAddress };
  return {
    map,
    cursor: membership.cursor(),
    settings: known,
    attachments: [...specsOf(attachments.list(), ground(), seedOf(agent)), ...members.specs(), ...cni.specs()],
    local: {
      workloads: workloads.list(),
      engine: docker.facts(),
      ports: portsOf(plugin, seedOf(agent)),
      bindings: [...bindingsOf(plugin, seedOf(agent)), ...(await ports.find(docker.endpoints()))],
      resolvers: names.resolvers(),
      ...paths.facts(),
      presharedKeys: context.psk?.wishes(known.publicKey) ?? new Map(),
    },
  };
}

/** The bridge's own addresses, where a container finds its names. */
function gatewaysOf({ desired }: Reached): Address[] {
  return (desired?.bridge?.addresses ?? []).map((text) => text.slice(0, text.indexOf('/'))).filter(isAddress);
}

/** Kernel switches as they were, for `leave` to put back. */
async function keepSysctls(state: State, steps: readonly Step[]): Promise<void> {
  const before = steps.flatMap((step) => (step.kind === 'sysctl-set' ? [[step.path, step.previous] as const] : []));
  if (before.length > 0) await state.keepSysctls(Object.fromEntries(before));
}

function writeSubnetEnv({ membership, subnetEnv }: Context, { desired }: Reached): void {
  const self = membership.self();
  const map = membership.map();
  if (self !== undefined && map !== undefined && desired !== undefined) subnetEnv.write(self, map.mesh, desired.mtu);
}

function literalServer(host: HostFile) {
  const name = new URL(host.serverUrl).hostname.replace(/^\[|\]$/g, '');
  return isAddress(name) ? name : undefined;
}
