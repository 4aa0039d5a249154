/**
 * Networks of the user that join the mesh, by the label `warren.advertise=true` or by command. Their subnets are wishes
 * until an operator approves them; from then on their bridges are open to the mesh. Pure but for the choices' file.
 */
import type { AdvertisedRoute } from '../../shared/network-map.ts';
import { type Cidr, parseCidr } from '../../shared/net/cidr.ts';
import type { Fault } from '../failures.ts';
import type { EngineNetwork } from '../plan/local.ts';
import type { Network } from './api.ts';
import { hostLabel } from './network.ts';

export const advertiseLabel = 'warren.advertise';

export interface Choices {
  list(): readonly string[];
}

export interface Joined {
  /** Approved: their bridges are open to the mesh. */
  readonly networks: readonly EngineNetwork[];
  readonly wishes: readonly AdvertisedRoute[];
  readonly faults: readonly Fault[];
}

const defaultWeight = 10;

export function describeJoined(all: readonly Network[], chosen: readonly string[], own: readonly Cidr[]): Joined {
  const networks: EngineNetwork[] = [];
  const wishes: AdvertisedRoute[] = [];
  const faults: Fault[] = [];
  const approved = new Set(own);
  for (const network of all.filter((one) => isChosen(one, chosen))) {
    const subject = network.Name.slice(0, 128);
    const why = whyNot(network);
    if (why !== undefined) {
      faults.push({ kind: 'advertise-refused', subject, why });
      continue;
    }
    const prefixes = subnetsOf(network);
    wishes.push(...prefixes.map((prefix) => ({ prefix, weight: defaultWeight })));
    const open = prefixes.filter((prefix) => approved.has(prefix));
    if (open.length > 0) networks.push({ name: subject, bridgeName: bridgeOf(network), prefixes: open });
  }
  for (const name of chosen) {
    if (all.some((network) => network.Name === name)) continue;
    faults.push({ kind: 'advertise-refused', subject: name, why: 'the engine has no network of this name now' });
  }
  return { networks, wishes: wishes.slice(0, 64), faults };
}

const isChosen = (network: Network, chosen: readonly string[]): boolean =>
  network.Labels?.[hostLabel] === undefined &&
  (network.Labels?.[advertiseLabel] === 'true' || chosen.includes(network.Name));

function whyNot(network: Network): string | undefined {
  if (network.Driver !== 'bridge')
    return `its driver is '${network.Driver.slice(0, 32)}'; only bridge networks can join`;
  if (subnetsOf(network).length === 0) return 'it has no subnet';
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,14}$/.test(bridgeOf(network))) return 'its bridge has a name that no rule may hold';
  return undefined;
}

export function subnetsOf(network: Network): Cidr[] {
  return (network.IPAM?.Config ?? []).flatMap(({ Subnet }) => {
    try {
      return [parseCidr(Subnet)];
    } catch {
      return [];
    }
  });
}

/** Docker's rule where the network names none. */
export const bridgeOf = (network: Network): string =>
  network.Options?.['com.docker.network.bridge.name'] ?? `br-${network.Id.slice(0, 12)}`;
