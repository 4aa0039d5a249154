/** VLANs of attachments: the one that a port of a bridge is in, and the link that a network card has for one. */
import type { AttachmentSteps } from './attachments.ts';
import { linkChange } from './bridge.ts';
import type { Desired } from './desired.ts';
import type { Observed, ObservedLink } from './observed.ts';
import type { Step } from './step.ts';

/** What is wrong with the bridge; one of ours, or one that is only planned, is made to keep VLANs apart. */
export function planFiltering(
  bridgeName: string,
  link: Pick<ObservedLink, 'alias' | 'isVlanFiltering'> | undefined,
  mark: string,
  sets: Step[],
): string | undefined {
  if (link?.isVlanFiltering === true) return undefined;
  if (link !== undefined && link.alias !== mark) {
    return `${bridgeName} does not keep VLANs apart; if its other ports may have that, run 'ip link set ${bridgeName} type bridge vlan_filtering 1'`;
  }
  const isPlanned = sets.some((step) => step.kind === 'bridge-vlans' && step.interfaceName === bridgeName);
  const why = 'an attachment is in a VLAN of it';
  if (!isPlanned) sets.push({ kind: 'bridge-vlans', interfaceName: bridgeName, why });
  return undefined;
}

/** Untagged in its VLAN, and in no other. */
export function planPortVlan(port: string, vlan: number | undefined, { portVlans }: Observed): Step[] {
  if (vlan === undefined) return [];
  const [first, ...others] = portVlans.get(port) ?? [];
  if (first?.vlan === vlan && first.isUntagged && others.length === 0) return [];
  return [{ kind: 'port-vlan', interfaceName: port, vlan, why: `it is not in VLAN ${vlan} alone` }];
}

/** Linux allows a link's name so many bytes. */
const longestName = 15;

/** The card's link for the VLAN, as pipework calls it; why there is none, where it is a text. */
export function vlanLinkOn(
  card: ObservedLink,
  vlan: number,
  mark: string,
  observed: Observed,
  sets: Step[],
): Pick<ObservedLink, 'name' | 'mtu'> | string {
  const name = `${card.name}.${vlan}`;
  const link = observed.links.get(name);
  if (link !== undefined) {
    if (link.vlanId !== vlan || link.parent !== card.name) {
      return `${name} is not the link of VLAN ${vlan} on ${card.name}; rename it, or give --phys a VLAN's link by name`;
    }
    const change = link.alias === mark ? linkChange({ name, mark, mtu: link.mtu }, link) : undefined;
    if (change !== undefined && !isPlanned(sets, name)) sets.push(change);
    return link;
  }
  if (name.length > longestName) {
    return `${name} is too long for a link; make VLAN ${vlan} of ${card.name} under a shorter name, and give that to --phys`;
  }
  const why = `an attachment is in VLAN ${vlan} of ${card.name}`;
  if (!isPlanned(sets, name)) {
    sets.push({ kind: 'vlan-create', interfaceName: name, mark, card: card.name, vlan, why });
  }
  return { name, mtu: card.mtu };
}

const isPlanned = (sets: readonly Step[], name: string): boolean =>
  sets.some((step) => (step.kind === 'vlan-create' || step.kind === 'link-set') && step.interfaceName === name);

/** Ours that nothing is attached to, and nobody else has put a link on. */
export function planVlanLinks(desired: Desired, observed: Observed, { removes }: AttachmentSteps): void {
  const links = [...observed.links.values()];
  const isWanted = (link: ObservedLink): boolean =>
    desired.attachments.some(
      ({ place, isLeaving }) =>
        place?.kind === 'card' &&
        place.vlan === link.vlanId &&
        isLeaving !== true &&
        (place.card === link.parent ||
          (place.card.startsWith('mac:') && observed.links.get(link.parent ?? '')?.mac === place.card.slice(4))),
    );
  for (const link of links) {
    if (link.kind !== 'vlan' || link.alias !== desired.mark || isWanted(link)) continue;
    if (links.some(({ parent }) => parent === link.name)) continue;
    removes.push({ kind: 'link-remove', interfaceName: link.name, why: 'nothing is attached by it any more' });
  }
}
