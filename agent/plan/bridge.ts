/** Links the agent owns: tunnel and bridge, and whether a link of that name is ours to touch. */
import type { Desired, Refusal } from './desired.ts';
import type { Observed, ObservedLink } from './observed.ts';
import type { LinkSet, Step } from './step.ts';

export interface LinkSteps {
  readonly creates: Step[];
  readonly sets: Step[];
  readonly removes: Step[];
  readonly refusals: Refusal[];
  /** False when nothing may be done on this link. */
  readonly isUsable: boolean;
}

const nothing = { creates: [], sets: [], removes: [], refusals: [] };

export function planTunnel(desired: Desired, observed: Observed): LinkSteps {
  const { interfaceName, mark, listenPort } = desired;
  const link = observed.links.get(interfaceName);
  const { wireguard } = observed;
  if (link !== undefined) {
    const why = whyNotOurTunnel(desired, link, observed);
    if (why !== undefined) return refused(interfaceName, why);
  }
  if (link === undefined && !desired.isMember) return { ...nothing, isUsable: false };
  const creates: Step[] = [];
  if (link === undefined) {
    creates.push({ kind: 'wireguard-create', interfaceName, mark, why: 'the interface is missing' });
  }
  const isKeySet = wireguard?.publicKey !== desired.publicKey;
  if (isKeySet || wireguard.listenPort !== listenPort) {
    const why = isKeySet ? "the interface does not have this host's key" : 'the listen port differs';
    creates.push({ kind: 'wireguard-set', interfaceName, listenPort, isKeySet, why });
  }
  const wanted = { name: interfaceName, mark, mtu: desired.mtu, addresses: desired.addresses };
  return { ...nothing, ...planLink(wanted, link), creates, isUsable: true };
}

export function planBridge(desired: Desired, observed: Observed): LinkSteps {
  const { bridge, bridgeName, mark } = desired;
  const link = observed.links.get(bridgeName);
  if (bridge === undefined) return withoutBridge(desired, observed, link);
  const isFresh = link?.alias === undefined && (link?.addresses.every((a) => bridge.addresses.includes(a)) ?? true);
  if (link !== undefined && (link.kind !== 'bridge' || (link.alias !== mark && !isFresh))) {
    const what = link.kind === 'bridge' ? 'a bridge that Warren did not make' : 'not a bridge';
    return refused(bridgeName, `${bridgeName} is ${what}; rename it, or set WARREN_BRIDGE to another name`);
  }
  const creates: Step[] = [];
  if (link === undefined) {
    creates.push({ kind: 'bridge-create', interfaceName: bridgeName, mark, mtu: bridge.mtu, why: 'it is missing' });
  }
  const wanted = { name: bridgeName, mark, mtu: bridge.mtu, addresses: bridge.addresses };
  return { ...nothing, ...planLink(wanted, link), creates, isUsable: true };
}

/** Without a lease the bridge goes, unless something still hangs on it. */
function withoutBridge(desired: Desired, observed: Observed, link: ObservedLink | undefined): LinkSteps {
  if (link === undefined || link.alias !== desired.mark) return { ...nothing, isUsable: false };
  const isBusy = [...observed.links.values()].some((other) => other.master === link.name);
  const why = 'this host has no container subnet';
  if (!isBusy)
    return { ...nothing, isUsable: false, removes: [{ kind: 'link-remove', interfaceName: link.name, why }] };
  const removes: Step[] = link.addresses.map((address) => ({
    kind: 'address-remove',
    interfaceName: link.name,
    address,
    why,
  }));
  return { ...nothing, removes, isUsable: false };
}

function whyNotOurTunnel(desired: Desired, link: ObservedLink, { wireguard }: Observed): string | undefined {
  const remedy = 'remove it, or set WARREN_INTERFACE to another name';
  if (link.alias === desired.mark) {
    return wireguard === undefined ? `${link.name} does not answer as a WireGuard interface; ${remedy}` : undefined;
  }
  if (wireguard === undefined) return `${link.name} is not a WireGuard interface; ${remedy}`;
  if (wireguard.publicKey === desired.publicKey) return undefined;
  if (link.alias !== undefined)
    return `${link.name} is marked '${link.alias.slice(0, 40)}', not as this host's; ${remedy}`;
  return wireguard.publicKey === undefined ? undefined : `${link.name} has the key of somebody else; ${remedy}`;
}

export interface WantedLink {
  readonly name: string;
  readonly mark: string;
  readonly mtu: number;
  readonly master?: string;
}

function planLink(
  wanted: WantedLink & { readonly addresses: readonly string[] },
  link: ObservedLink | undefined,
): { sets: Step[]; removes: Step[] } {
  const { name } = wanted;
  const have = link?.addresses ?? [];
  const sets: Step[] = wanted.addresses
    .filter((address) => !have.includes(address))
    .map((address) => ({ kind: 'address-add', interfaceName: name, address, why: 'the address is missing' }));
  const removes: Step[] = have
    .filter((address) => !wanted.addresses.includes(address))
    .map((address) => ({
      kind: 'address-remove',
      interfaceName: name,
      address,
      why: "the address is not this host's",
    }));
  const change = linkChange(wanted, link);
  if (change !== undefined) sets.push(change);
  return { sets, removes };
}

export function linkChange(wanted: WantedLink, link: ObservedLink | undefined): Step | undefined {
  const why: string[] = [];
  if (link?.mtu !== wanted.mtu) why.push(`MTU is ${link?.mtu ?? 'not set'}`);
  if (link?.isUp !== true) why.push('the link is down');
  if (link?.alias !== wanted.mark) why.push('the mark is missing');
  const isMasterWrong = wanted.master !== undefined && link?.master !== wanted.master;
  if (isMasterWrong) why.push(`it is not in ${wanted.master}`);
  if (why.length === 0) return undefined;
  const set: LinkSet = {
    kind: 'link-set',
    interfaceName: wanted.name,
    ...(link?.mtu === wanted.mtu ? {} : { mtu: wanted.mtu }),
    ...(link?.isUp === true ? {} : { isUp: true }),
    ...(link?.alias === wanted.mark ? {} : { mark: wanted.mark }),
    ...(isMasterWrong && wanted.master !== undefined ? { master: wanted.master } : {}),
  };
  return { ...set, why: why.join(', ') };
}

function refused(subject: string, why: string): LinkSteps {
  return { ...nothing, refusals: [{ kind: 'interface-refused', subject, why }], isUsable: false };
}
