/** The network below the mesh, as far as it limits the mesh: connected prefixes, routes that exist, and the MTU. */
import type { Address } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { Observed, ObservedLink, ObservedRoute } from './observed.ts';
import { type Range, type RangeIndex, indexRanges, pointOf, rangeOf } from './ranges.ts';
import type { HostSettings } from './settings.ts';

export interface ConnectedPrefix {
  readonly range: Range;
  /** `192.168.7.2/24`, an address of this host with its length. */
  readonly address: string;
  readonly link: ObservedLink;
}

export interface Underlay {
  readonly connected: RangeIndex<ConnectedPrefix>;
  /** Routes of others by prefix; what Warren routes is not among them. */
  readonly foreignRoutes: ReadonlyMap<Cidr, ObservedRoute>;
  readonly isIpv6Usable: boolean;
  /** MTU of the way to `endpoint`, bytes; undefined where no route leads there. */
  mtuTo(address: Address): number | undefined;
}

/** Outer IPv6 and UDP headers, and WireGuard's own 32 bytes (WireGuard paper, section 5.4.6). */
export const tunnelOverheadBytes = 80;

export function readUnderlay(observed: Observed, settings: HostSettings): Underlay {
  const isOurs = (name: string | undefined): boolean => name === settings.interfaceName || name === settings.bridgeName;
  const foreign = observed.routes.filter((route) => !isOurs(route.device));
  const byRoute = indexRanges(foreign, (route) => rangeOf(route.prefix));
  return {
    connected: indexRanges(connectedPrefixes(observed, isOurs), (prefix) => prefix.range),
    foreignRoutes: new Map(foreign.map((route) => [route.prefix, route])),
    isIpv6Usable: isIpv6Usable(observed),
    mtuTo(address) {
      for (const route of byRoute.covering(pointOf(address))) {
        return observed.links.get(route.device ?? '')?.mtu;
      }
      return undefined;
    },
  };
}

export function addressOf(endpoint: Endpoint): Address {
  const colon = endpoint.lastIndexOf(':');
  return (endpoint.startsWith('[') ? endpoint.slice(1, colon - 1) : endpoint.slice(0, colon)) as Address;
}

function connectedPrefixes(observed: Observed, isOurs: (name: string) => boolean): ConnectedPrefix[] {
  const found: ConnectedPrefix[] = [];
  for (const link of observed.links.values()) {
    if (isOurs(link.name)) continue;
    for (const address of link.addresses) found.push({ range: rangeOf(address), address, link });
  }
  return found;
}

/** Containers often run with IPv6 switched off; an address or route of it would then only fail. */
function isIpv6Usable({ sysctls }: Observed): boolean {
  const all = sysctls.get('net/ipv6/conf/all/disable_ipv6');
  return all !== undefined && all !== '1' && sysctls.get('net/ipv6/conf/default/disable_ipv6') !== '1';
}
