/**
 * Warren's own network of the engine: what it should be, and what leads there. Pure. The engine is given the agent's
 * bridge with its addresses on it; it then adds containers to it and leaves the bridge alone, also when the network is
 * removed (seen with 20.10 and 28.5; a bridge that it finds missing it makes itself, and the agent marks that one).
 * Masquerading is off, because the agent's own rules do it for what leaves the mesh only.
 */
import type { Address } from '../../shared/net/address.ts';
import { type Cidr, addressAt, cidrFamily, cidrRange, containsAddress, makeCidr } from '../../shared/net/cidr.ts';
import type { HostId } from '../../shared/names.ts';
import { upperHalf } from '../attach/slots.ts';
import type { Network } from './api.ts';

export const hostLabel = 'warren.host';

export interface WantedNetwork {
  readonly name: string;
  readonly hostId: HostId;
  readonly bridgeName: string;
  /** The host's usable leases, IPv4 first. */
  readonly leases: readonly Cidr[];
  /** Bytes. */
  readonly mtu: number;
  /** By which the mesh's packets come. */
  readonly tunnel: string;
  /** Which firewall the engine writes. */
  readonly firewall: 'iptables' | 'nftables';
}

export type NetworkStep =
  | { readonly kind: 'network-create'; readonly why: string }
  | { readonly kind: 'network-remove'; readonly id: string; readonly why: string };

export interface NetworkPlan {
  readonly steps: readonly NetworkStep[];
  /** Why the network is not as it should be, and cannot be made so. */
  readonly refusal: string | undefined;
}

/** `users`: how many containers are configured with the network that is there. */
export function planNetwork(wanted: WantedNetwork | undefined, found: readonly Network[], users: number): NetworkPlan {
  const named = wanted === undefined ? undefined : found.find((network) => network.Name === wanted.name);
  if (wanted === undefined || wanted.leases.length === 0) return { steps: [], refusal: undefined };
  if (named === undefined) {
    return { steps: [{ kind: 'network-create', why: 'the network is missing' }], refusal: undefined };
  }
  if (named.Labels?.[hostLabel] !== wanted.hostId) {
    const why = `a network called '${named.Name}' is there that this agent did not make; rename it, or set WARREN_DOCKER_NETWORK to another name`;
    return { steps: [], refusal: why };
  }
  const why = differences(wanted, named);
  if (why.length === 0) return { steps: [], refusal: undefined };
  const isUsable = why.every((one) => one.isHarmless);
  const text = why.map((one) => one.text).join(', ');
  if (users > 0 && isUsable) return { steps: [], refusal: undefined };
  if (users > 0) {
    const remedy = `remove or disconnect its ${users} containers (docker network disconnect), then it is made anew`;
    return { steps: [], refusal: `the network does not fit this host any more (${text}); ${remedy}` };
  }
  return {
    steps: [
      { kind: 'network-remove', id: named.Id, why: text },
      { kind: 'network-create', why: text },
    ],
    refusal: undefined,
  };
}

interface Difference {
  readonly text: string;
  /** True: containers still work, so it waits until nobody uses the network. */
  readonly isHarmless: boolean;
}

function differences(wanted: WantedNetwork, network: Network): Difference[] {
  const found: Difference[] = [];
  const options = network.Options ?? {};
  const has = (network.IPAM?.Config ?? []).map((one) => `${one.Subnet} ${one.IPRange} ${one.Gateway}`).sort();
  const should = wanted.leases.map((lease) => `${lease} ${rangeOf(lease)} ${addressAt(lease, 1n)}`).sort();
  if (has.join() !== should.join()) found.push({ text: 'the container subnet is another one', isHarmless: false });
  if (options['com.docker.network.bridge.name'] !== wanted.bridgeName) {
    found.push({ text: 'the bridge is another one', isHarmless: false });
  }
  if (options['com.docker.network.driver.mtu'] !== String(wanted.mtu)) {
    found.push({ text: `the MTU is ${wanted.mtu} now`, isHarmless: true });
  }
  if (Object.entries(openness(wanted)).some(([option, value]) => options[option] !== value)) {
    const text = `the engine writes nftables itself now, and lets nothing in by ${wanted.tunnel}`;
    found.push({ text, isHarmless: false });
  }
  return found;
}

/**
 * What an engine's own nftables drop stays dropped, whatever a table of ours accepts. So it is told to let in what comes
 * by the tunnel (its raw chain still drops what comes by any other link), and to leave what passes to our table, which
 * opens published ports alone.
 */
function openness({ firewall, tunnel, leases }: WantedNetwork): Record<string, string> {
  if (firewall !== 'nftables') return {};
  const modes = leases.map((lease) => [
    `com.docker.network.bridge.gateway_mode_ipv${cidrFamily(lease)}`,
    'nat-unprotected',
  ]);
  return { 'com.docker.network.bridge.trusted_host_interfaces': tunnel, ...Object.fromEntries(modes) };
}

/** Docker 20.10 takes no IPv6 range of 2^63 addresses ("invalid bit range"); this one lies beyond every slot. */
const rangeOf = (lease: Cidr): Cidr =>
  cidrFamily(lease) === 4 ? upperHalf(lease) : makeCidr(6, cidrRange(lease).first + 65_536n, 112);

/** Body of `POST /networks/create`. `taken`: addresses of the lease that somebody else holds. */
export function createBody(wanted: WantedNetwork, taken: readonly Address[]): unknown {
  const hasIpv6 = wanted.leases.some((lease) => cidrFamily(lease) === 6);
  return {
    Name: wanted.name,
    Driver: 'bridge',
    CheckDuplicate: true,
    EnableIPv6: hasIpv6,
    IPAM: {
      Driver: 'default',
      Config: wanted.leases.map((lease) => ({
        Subnet: lease,
        IPRange: rangeOf(lease),
        Gateway: addressAt(lease, 1n),
        AuxiliaryAddresses: Object.fromEntries(
          taken.filter((one) => containsAddress(rangeOf(lease), one)).map((one, i) => [`warren-${i}`, one]),
        ),
      })),
    },
    Options: {
      'com.docker.network.bridge.name': wanted.bridgeName,
      'com.docker.network.bridge.enable_ip_masquerade': 'false',
      'com.docker.network.driver.mtu': String(wanted.mtu),
      ...openness(wanted),
    },
    Labels: { [hostLabel]: wanted.hostId },
  };
}
