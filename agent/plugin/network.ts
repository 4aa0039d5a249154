/**
 * The network driver: an endpoint is an address of the lease on the agent's own bridge, so containers of it are on the
 * mesh like attached ones. A network is one bridge port's membership and nothing else; the same name on each host gives
 * one network over all of them. Leaving and deleting what is not there is done already.
 */
import { createHash } from 'node:crypto';
import { WarrenError } from '../../shared/errors.ts';
import type { Address } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import { type SegmentName, parseSegmentName } from '../../shared/workload.ts';
import { gatewayOf, isSlotWithin } from '../attach/ipam.ts';
import { type Slots, slotOf } from '../attach/slots.ts';
import {
  type Page,
  type PluginBook,
  type PluginEndpoint,
  addressesInUse,
  slotsInUse,
  withEndpoint,
  withNetwork,
  withoutEndpoint,
  withoutNetwork,
} from './book.ts';
import { anyPool } from './ipam.ts';
import type { PortLinks } from './links.ts';
import { type EndpointRequest, type NetworkRequest, bareAddress, isGiven } from './protocol.ts';

export interface NetworkDriver {
  createNetwork(request: NetworkRequest): Promise<Record<string, never>>;
  deleteNetwork(networkId: string): Promise<Record<string, never>>;
  createEndpoint(request: EndpointRequest): Promise<{ Interface: { MacAddress?: string } }>;
  deleteEndpoint(endpointId: string): Promise<Record<string, never>>;
  join(endpointId: string): Promise<JoinAnswer>;
  leave(endpointId: string): Promise<Record<string, never>>;
}

export interface JoinAnswer {
  readonly InterfaceName: { readonly SrcName: string; readonly DstPrefix: string };
  readonly Gateway?: Address;
  readonly GatewayIPv6?: Address;
  readonly StaticRoutes: readonly never[];
  /** The engine would give a container without an IPv4 gateway a second interface on a bridge of its own. */
  readonly DisableGatewayService: true;
}

export interface NetworkParts {
  readonly book: PluginBook;
  readonly slots: Pick<Slots, 'take' | 'settle' | 'isEngines'>;
  readonly leases: () => readonly Cidr[];
  readonly links: PortLinks;
}

const done = {};

export function createNetworkDriver(parts: NetworkParts): NetworkDriver {
  const { book, links, leases } = parts;
  const endpointOf = (id: string): PluginEndpoint => {
    const endpoint = book.read().endpoints.get(id);
    if (endpoint !== undefined) return endpoint;
    throw new WarrenError('not-found', 'the agent does not know this endpoint; start the container again');
  };
  return {
    createNetwork: async (request) => {
      const segment = readSegment(request.Options);
      refuseForeignPools(request, leases());
      await book.change((page) => withNetwork(page, { id: request.NetworkID, segment }));
      return done;
    },
    deleteNetwork: async (id) => {
      const left = [...book.read().endpoints.values()].filter((one) => one.networkId === id);
      await book.change((page) => (page.networks.has(id) ? withoutNetwork(page, id) : page));
      for (const endpoint of left) await links.remove(endpoint.id);
      return done;
    },
    createEndpoint: async (request) => {
      const endpoint = await addEndpoint(parts, request);
      return { Interface: isGiven(request.Interface?.MacAddress) ? {} : { MacAddress: endpoint.mac } };
    },
    deleteEndpoint: async (id) => {
      // Out of the book first: a link that stays behind then is nobody's, and the reconciler takes it away.
      await book.change((page) => (page.endpoints.has(id) ? withoutEndpoint(page, id) : page));
      await links.remove(id);
      return done;
    },
    join: async (id) => {
      const { addresses, mac } = endpointOf(id);
      const SrcName = await links.make(id, mac);
      return {
        InterfaceName: { SrcName, DstPrefix: 'eth' },
        ...gatewaysFor(addresses, leases()),
        StaticRoutes: [],
        DisableGatewayService: true,
      };
    },
    leave: async (id) => {
      await links.remove(id);
      return done;
    },
  };
}

async function addEndpoint({ book, slots, leases }: NetworkParts, request: EndpointRequest): Promise<PluginEndpoint> {
  const { NetworkID: networkId, EndpointID: id, Interface } = request;
  const addresses = [Interface?.Address, Interface?.AddressIPv6].filter(isGiven).map(bareAddress);
  if (addresses.length === 0) {
    throw new WarrenError('request-invalid', 'the endpoint has no address; create the network with --ipam-driver too');
  }
  const mac = isGiven(Interface?.MacAddress) ? Interface.MacAddress.toLowerCase() : macOf(addresses);
  if (!/^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)) throw new WarrenError('request-invalid', 'not a MAC address');
  const endpoint: PluginEndpoint = { id, networkId, addresses, mac };
  const taken: number[] = [];
  try {
    await book.change((page) => {
      refuseConflict(page, endpoint, leases());
      for (const address of addresses) {
        const slot = slotOf(leases(), address) ?? 0;
        if (slotsInUse(page, leases()).includes(slot) || taken.includes(slot)) continue;
        taken.push(slots.take(leases(), slot));
      }
      return withEndpoint(page, endpoint);
    });
  } finally {
    taken.forEach((slot) => slots.settle(slot));
  }
  return endpoint;
}

/** The last line of defence against an address twice: the engine asks for one again where it only starts anew. */
function refuseConflict(page: Page, { id, networkId, addresses }: PluginEndpoint, leases: readonly Cidr[]): void {
  if (!page.networks.has(networkId)) {
    throw new WarrenError(
      'not-found',
      'the agent does not know this network; wait a minute, or remove the network and create it again',
    );
  }
  const others = addressesInUse({ ...withoutEndpoint(page, id), reserved: new Set() });
  for (const address of addresses) {
    const slot = slotOf(leases, address);
    if (slot === undefined || !isSlotWithin(leases, slot)) {
      throw new WarrenError(
        'prefix-refused',
        `${address} is not an address for containers within ${leases.join(' and ') || 'a container subnet'}; create the network anew, with --ipam-driver and without --subnet`,
      );
    }
    if (others.has(address)) {
      throw new WarrenError('attachment-conflict', `${address} is in use by another container; choose another --ip`);
    }
  }
}

/** Made of the address, so that a neighbour's ARP entry stays right when another container gets it. */
function macOf([address = '']: readonly string[]): string {
  const digest = createHash('sha256').update(address).digest('hex');
  return `02:${(digest.slice(0, 10).match(/../g) ?? []).join(':')}`;
}

function gatewaysFor(
  addresses: readonly Address[],
  leases: readonly Cidr[],
): Pick<JoinAnswer, 'Gateway' | 'GatewayIPv6'> {
  const gateway = (isIpv6: boolean): Address | undefined => {
    const lease = leases.find((one) => one.includes(':') === isIpv6);
    return lease !== undefined && addresses.some((one) => one.includes(':') === isIpv6) ? gatewayOf(lease) : undefined;
  };
  const [four, six] = [gateway(false), gateway(true)];
  return { ...(four === undefined ? {} : { Gateway: four }), ...(six === undefined ? {} : { GatewayIPv6: six }) };
}

function readSegment(options: Readonly<Record<string, unknown>>): SegmentName | null {
  if (options['com.docker.network.internal'] === true) {
    throw new WarrenError('request-invalid', '--internal is not offered; use -o segment=NAME to keep containers apart');
  }
  const given = options['com.docker.network.generic'];
  const generic = typeof given === 'object' && given !== null ? (given as Readonly<Record<string, unknown>>) : {};
  for (const name of Object.keys(generic)) {
    if (name !== 'segment')
      throw new WarrenError('request-invalid', `unknown option '${name.slice(0, 64)}'; known is segment`);
  }
  const segment = generic['segment'];
  if (segment === undefined) return null;
  return parseSegmentName(typeof segment === 'string' ? segment : '');
}

function refuseForeignPools({ IPv4Data, IPv6Data }: NetworkRequest, leases: readonly Cidr[]): void {
  const pools = [...IPv4Data, ...IPv6Data];
  const isOwn = ({ Pool, Gateway }: (typeof pools)[number]): boolean =>
    leases.some((lease) => {
      const gateway = `${gatewayOf(lease)}${lease.slice(lease.lastIndexOf('/'))}`;
      return Gateway === gateway && (Pool === lease || Pool === anyPool);
    });
  const foreign = pools.find((pool) => !isOwn(pool));
  if (foreign === undefined && pools.length > 0) return;
  const what =
    foreign === undefined ? 'the network has no subnet' : `${foreign.Pool ?? ''} is not this host's container subnet`;
  throw new WarrenError('prefix-refused', `${what}; create the network with --ipam-driver too, and without --subnet`);
}
