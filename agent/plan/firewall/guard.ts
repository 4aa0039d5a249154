/**
 * Who may say what on the mesh's bridge. Each port is bound to the addresses of what is behind it, so that a container
 * that makes its own frames cannot pose as another one, as the gateway, or as a member of a segment. The rules are the
 * same on every host; who is where stands in sets, whose elements come and go one by one.
 *
 * A port that is not known yet, or never (a machine that somebody put on the bridge by hand), may use what is nobody's:
 * nothing of the gateway's, of ports the agent makes itself, or of members of segments. An engine's container that is in
 * no segment is not kept from it: it starts again with the address it had, also while no agent runs to see its new port.
 */
import { type Address, addressValue, formatAddress } from '../../../shared/net/address.ts';
import type { LiveSets } from '../desired.ts';
import { type TablePart, baseChain, chain, set } from '../nft-table.ts';
import type { PortBinding } from '../local.ts';
import type { FirewallInput } from './input.ts';
import { isV4 } from './sets.ts';

/** nft 1.0 has no name for the address that a neighbour advertisement speaks of: it is compared as a number. */
const target = '@th,64,128';

const types = {
  ports: 'type ifname',
  port4: 'type ifname . ipv4_addr',
  port6: 'type ifname . ipv6_addr',
  port_mac: 'type ifname . ether_addr',
  port_target: `typeof iifname . ${target}`,
  owned_mac: 'type ether_addr',
  owned_local: 'type ipv6_addr',
  owned_target: `typeof ${target}`,
  closed_mac: 'type ether_addr',
  closed4: 'type ipv4_addr',
  closed6: 'type ipv6_addr',
  closed_target: `typeof ${target}`,
} as const;

type SetName = keyof typeof types;

const advert = `icmpv6 type nd-neighbor-advert ${target}`;

export function guardParts(input: GuardInput): TablePart[] {
  const elements = guardSets(input);
  return [...keys(types).map((name) => set(name, types[name], elements.get(name))), ...guardChains()];
}

function guardChains(): TablePart[] {
  return [
    chain('bound', [
      // Of one VLAN tag Linux keeps a note beside the frame, two it takes off at the receiver's.
      'ether type { 8021q, 8021ad } counter drop',
      'meta protocol != { ip, ip6, arp } counter drop',
      'ether saddr @owned_mac iifname . ether saddr != @port_mac counter drop',
      'iifname . ip saddr != @port4 counter drop',
      // Whoever asks whether an address is free has none yet.
      'arp saddr ip != 0.0.0.0 iifname . arp saddr ip != @port4 counter drop',
      'icmpv6 type { nd-router-advert, nd-redirect } counter drop',
      `${advert} @owned_target iifname . ${target} != @port_target counter drop`,
      'ip6 saddr :: meta l4proto icmpv6 accept',
      // A container may make its link-local address as it likes, as long as it is nobody else's.
      'ip6 saddr @owned_local iifname . ip6 saddr != @port6 counter drop',
      'ip6 saddr != fe80::/10 iifname . ip6 saddr != @port6 counter drop',
    ]),
    baseChain('guard', { type: 'filter', hook: 'prerouting', priority: -310 }, [
      'iifname @ports goto bound',
      'ether saddr @closed_mac counter drop',
      'ip saddr @closed4 counter drop',
      'meta protocol arp arp saddr ip @closed4 counter drop',
      'ip6 saddr @closed6 counter drop',
      `${advert} @closed_target counter drop`,
    ]),
    // Routers are on no port: a container believes its own host alone, and that one's packets do not come by here.
    baseChain('routers', { type: 'filter', hook: 'forward', priority: -310 }, [
      'oifname @ports icmpv6 type { nd-router-advert, nd-redirect } counter drop',
    ]),
  ];
}

type GuardInput = Pick<FirewallInput, 'bindings' | 'gateways' | 'workloads'>;

/** Ports without an address are no more known than those that nobody named. */
export function guardSets({ bindings, gateways, workloads }: GuardInput): LiveSets {
  const sets = new Map<SetName, Set<string>>(keys(types).map((name) => [name, new Set()]));
  const add = (name: SetName, element: string): void => void sets.get(name)?.add(element);
  const isolated = new Set(workloads.filter(({ segment }) => segment !== null).flatMap(({ addresses }) => addresses));
  for (const binding of bindings.filter(isKnown)) {
    const port = `"${binding.port}"`;
    const all = everyAddress(binding.addresses, binding.mac);
    add('ports', port);
    for (const address of all) {
      add(isV4(address) ? 'port4' : 'port6', `${port} . ${address}`);
      if (!isV4(address)) add('port_target', `${port} . ${numberOf(address)}`);
    }
    if (binding.mac !== undefined) add('port_mac', `${port} . ${binding.mac}`);
    own(add, all, binding.mac);
    if (binding.isOurs || binding.addresses.some((address) => isolated.has(address))) close(add, all, binding.mac);
  }
  // The bridge's own MAC address the kernel lets nobody else have.
  own(add, gateways, undefined);
  close(add, gateways, undefined);
  return new Map([...sets].map(([name, elements]) => [name, [...elements].sort()]));
}

type Add = (name: SetName, element: string) => void;

/** No known port may use it but those that it stands beside. */
function own(add: Add, addresses: readonly Address[], mac: string | undefined): void {
  if (mac !== undefined) add('owned_mac', mac);
  for (const address of addresses.filter((one) => !isV4(one))) {
    add('owned_target', numberOf(address));
    if (address.startsWith('fe80:')) add('owned_local', address);
  }
}

/** No unknown port may use it. */
function close(add: Add, addresses: readonly Address[], mac: string | undefined): void {
  if (mac !== undefined) add('closed_mac', mac);
  for (const address of addresses) {
    add(isV4(address) ? 'closed4' : 'closed6', address);
    if (!isV4(address)) add('closed_target', numberOf(address));
  }
}

/** Names that need no quoting, as Linux's own and ours are; another one's port stays unknown. */
const isKnown = ({ port, addresses }: PortBinding): boolean => /^[\w.-]{1,15}$/.test(port) && addresses.length > 0;

const everyAddress = (addresses: readonly Address[], mac: string | undefined): Address[] =>
  mac === undefined ? [...addresses] : [...addresses, linkLocalOf(mac)];

/** RFC 4291, appendix A. */
export function linkLocalOf(mac: string): Address {
  const bits = BigInt(`0x${mac.replaceAll(':', '')}`) ^ (1n << 41n);
  const identifier = ((bits >> 24n) << 40n) | (0xfffen << 24n) | (bits & 0xffffffn);
  return formatAddress({ family: 6, value: (0xfe80n << 112n) | identifier });
}

/** As nft prints it. */
const numberOf = (address: Address): string => `0x${addressValue(address).value.toString(16)}`;

const keys = <T extends object>(object: T): (keyof T)[] => Object.keys(object) as (keyof T)[];
