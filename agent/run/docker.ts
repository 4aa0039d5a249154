/** The container room of a running agent, joined to the rest: what it goes by, and who hears of it. */
import { type Cidr, containsAddress, makeCidr, cidrRange } from '../../shared/net/cidr.ts';
import { type Address, isAddress } from '../../shared/net/address.ts';
import { isSlotWithin, slotAddress } from '../attach/ipam.ts';
import { slotOf } from '../attach/slots.ts';
import { type EngineMembers, engineMembers } from '../bridged/engine.ts';
import type { WantedNetwork } from '../docker/network.ts';
import { type Docker, startDocker } from '../docker/room.ts';
import type { Reconciler } from '../reconcile.ts';
import { showLinks } from '../system/ip.ts';
import type { Context } from './context.ts';

export function startDockerRoom(
  context: Context,
  reconciler: Pick<Reconciler, 'reached' | 'look'>,
  onChange: () => void,
): Docker {
  const { agent, clock, log, workloads, slots, leases, choices } = context;
  const docker = startDocker({
    clock,
    log,
    choices,
    socketPath: agent.dockerSocket,
    wanted: () => wantedNetwork(context, reconciler),
    own: () => ownPrefixes(context),
    taken: () => takenAddresses(context),
    isHere: (linkName, subnet) => hasLink(context, linkName, subnet),
    onWorkloads: (list) => workloads.put('docker', list),
    onShared: (isShared) => slots.shareWithEngine(isShared),
    onChange: () => {
      onChange();
      void lookAgain(context, reconciler);
    },
  });
  context.containers.resolve = (container) => docker.resolve(container);
  slots.addBook(() => docker.addresses().flatMap((text) => (isAddress(text) ? (slotOf(leases(), text) ?? []) : [])));
  return docker;
}

/** Of attachments, plugins and CNI, in the first lease (IPv4), which is where the engine's range meets their slots. */
function takenAddresses({ slots, leases }: Context): Address[] {
  const [lease] = leases();
  if (lease === undefined) return [];
  return [...slots.used()].filter((slot) => isSlotWithin([lease], slot)).map((slot) => slotAddress(lease, slot));
}

/** Attached containers may run elsewhere now, or not any more. */
async function lookAgain({ attachments, probe, log }: Context, reconciler: Pick<Reconciler, 'look'>): Promise<void> {
  try {
    if (await probe.refresh(attachments.list().map(({ target }) => target))) reconciler.look();
  } catch (error) {
    log.error({ err: error }, 'attached containers not seen');
  }
}

/** Undefined until the bridge is there with its addresses: the engine would make one of its own. */
function wantedNetwork(
  { agent, selfId }: Context,
  reconciler: Pick<Reconciler, 'reached'>,
): Omit<WantedNetwork, 'firewall'> | undefined {
  const { desired, observed } = reconciler.reached();
  const bridge = desired?.bridge;
  if (bridge === undefined || observed === undefined) return undefined;
  return {
    name: agent.dockerNetwork,
    hostId: selfId,
    bridgeName: bridge.name,
    leases: bridge.addresses.map(networkOf),
    mtu: bridge.mtu,
    tunnel: agent.interfaceName,
  };
}

/** `10.210.1.1/24` -> `10.210.1.0/24` */
function networkOf(gateway: string): Cidr {
  const [address = '', length = ''] = gateway.split('/');
  const { family, first } = cidrRange(`${address}/${address.includes(':') ? 128 : 32}`);
  const rest = BigInt((family === 4 ? 32 : 128) - Number(length));
  return makeCidr(family, (first >> rest) << rest, Number(length));
}

/** Leases, and subnets that an operator approved. */
export function ownPrefixes({ membership, leases }: Context): readonly Cidr[] {
  const self = membership.self();
  return [...leases(), ...(self?.subnets.map(({ prefix }) => prefix) ?? [])];
}

/** The engine's networks that are in bridged segments. */
export function engineMembersOf({ membership, settings }: Context, docker: Pick<Docker, 'networks'>): EngineMembers {
  return engineMembers(docker.networks(), membership.usable()?.mesh.segments ?? [], settings());
}

async function hasLink({ system }: Context, linkName: string, subnet: Cidr): Promise<boolean> {
  const link = (await showLinks(system)).get(linkName);
  return (
    link?.addresses.some((text) => {
      const address = text.slice(0, text.indexOf('/'));
      return isAddress(address) && containsAddress(subnet, address);
    }) ?? false
  );
}
