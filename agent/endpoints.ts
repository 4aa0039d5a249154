/**
 * The endpoints a host offers of its own: its addresses on real networks. Not those of the mesh, of container bridges or
 * of other tunnels, which nobody outside can reach. Pure.
 */
import { type Address, addressValue, isAddress } from '../shared/net/address.ts';
import { type Cidr, containsAddress } from '../shared/net/cidr.ts';
import { type Endpoint, makeEndpoint } from '../shared/net/endpoint.ts';
import type { ObservedLink } from './plan/observed.ts';

export interface EndpointContext {
  /** Names of our interface and bridge. */
  readonly own: ReadonlySet<string>;
  /** What the mesh uses; addresses in it are no underlay. */
  readonly pools: readonly Cidr[];
  readonly listenPort: number;
  /** The address that the server was reached from; it goes first. */
  readonly preferred: Address | undefined;
}

/** Kinds of links that are tunnels or belong to containers, whatever they are called. */
const foreignKinds: ReadonlySet<string> = new Set(['wireguard', 'tun', 'dummy', 'vxlan', 'ipip', 'sit', 'gre']);
/** Bridges that container engines make. */
const containerNames =
  /^(?:docker|br-[0-9a-f]{12}$|cni|podman|virbr|lxc|lxd|flannel|weave|cali|cilium|veth[0-9a-f]{7}|wv)/;

/** Best first, at most 16. */
export function localEndpoints(links: Iterable<ObservedLink>, context: EndpointContext): Endpoint[] {
  const addresses = [...links]
    .filter((link) => link.isUp && !link.isLoopback && !isForeign(link, context.own))
    .sort((a, b) => a.index - b.index)
    .flatMap((link) => link.addresses.map(withoutLength))
    .filter((address): address is Address => isAddress(address) && isReachable(address, context.pools));
  const { preferred } = context;
  if (preferred !== undefined && isReachable(preferred, context.pools)) addresses.unshift(preferred);
  return [...new Set(addresses)].slice(0, 16).map((address) => makeEndpoint(address, context.listenPort));
}

function isForeign(link: ObservedLink, own: ReadonlySet<string>): boolean {
  return (
    own.has(link.name) ||
    (link.alias?.startsWith('warren:') ?? false) ||
    foreignKinds.has(link.kind ?? '') ||
    containerNames.test(link.name)
  );
}

/** Not loopback, not link-local, not the mesh's own. */
function isReachable(address: Address, pools: readonly Cidr[]): boolean {
  const { family, value } = addressValue(address);
  if (family === 4 && (value >> 24n === 127n || value >> 16n === 0xa9fen || value >> 28n >= 14n || value === 0n))
    return false;
  if (family === 6 && (value <= 1n || value >> 118n === 0x3fan || value >> 120n === 0xffn)) return false;
  return !pools.some((pool) => containsAddress(pool, address));
}

const withoutLength = (text: string): string => text.split('/')[0] ?? '';
