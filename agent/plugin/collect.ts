/**
 * The book held against what the engine has. An engine that died, or whose calls came to nothing while the agent was
 * away, leaves endpoints and addresses that nobody will ever give back; and an agent whose book was lost learns from the
 * engine what is in use. Pure.
 */
import { type Address, isAddress } from '../../shared/net/address.ts';
import { type SegmentName, parseSegmentName } from '../../shared/workload.ts';
import type { Page, PluginEndpoint, PluginNetwork } from './book.ts';

/** A network of our driver, or with addresses of our IPAM driver, as the engine shows it. */
export interface EngineView {
  readonly networks: readonly EngineViewNetwork[];
}

export interface EngineViewNetwork {
  readonly id: string;
  /** False: another driver's network, which only has its addresses from here. */
  readonly isOurs: boolean;
  readonly segment: string | undefined;
  readonly endpoints: ReadonlyArray<{
    readonly id: string;
    readonly mac: string;
    readonly addresses: readonly string[];
  }>;
  /** Reserved by name (`--aux-address`). */
  readonly extra: readonly string[];
}

/** What the engine did not know of at the last look; only what it still does not know of is taken away. */
export interface Suspects {
  readonly networks: ReadonlySet<string>;
  readonly endpoints: ReadonlySet<string>;
  readonly addresses: ReadonlySet<Address>;
}

export const noSuspects: Suspects = { networks: new Set(), endpoints: new Set(), addresses: new Set() };

export interface Collected {
  /** The page that was given where nothing changes. */
  readonly page: Page;
  readonly suspects: Suspects;
  readonly removedEndpoints: readonly string[];
}

export function collect(page: Page, view: EngineView, before: Suspects): Collected {
  const known = readView(view);
  const suspects: Suspects = {
    networks: missing(page.networks.keys(), known.networks),
    endpoints: missing(page.endpoints.keys(), known.endpoints),
    addresses: missing(page.reserved, known.addresses),
  };
  const gone = {
    networks: both(suspects.networks, before.networks),
    endpoints: both(suspects.endpoints, before.endpoints),
    addresses: both(suspects.addresses, before.addresses),
  };
  const added = {
    networks: [...known.networks].filter(([id]) => !page.networks.has(id)),
    endpoints: [...known.endpoints].filter(([id]) => !page.endpoints.has(id)),
  };
  const isSame =
    [gone.networks, gone.endpoints, gone.addresses].every((set) => set.size === 0) &&
    added.networks.length + added.endpoints.length === 0;
  if (isSame) return { page, suspects, removedEndpoints: [] };
  const next: Page = {
    networks: new Map([...page.networks, ...added.networks].filter(([id]) => !gone.networks.has(id))),
    endpoints: new Map([...page.endpoints, ...added.endpoints].filter(([id]) => !gone.endpoints.has(id))),
    reserved: new Set([...page.reserved].filter((address) => !gone.addresses.has(address))),
  };
  return { page: next, suspects, removedEndpoints: [...gone.endpoints] };
}

interface Known {
  readonly networks: ReadonlyMap<string, PluginNetwork>;
  readonly endpoints: ReadonlyMap<string, PluginEndpoint>;
  readonly addresses: ReadonlySet<Address>;
}

function readView({ networks }: EngineView): Known {
  const ours = networks.filter(({ isOurs }) => isOurs);
  const bare = (given: readonly string[]): Address[] => given.map((one) => one.replace(/\/\d+$/, '')).filter(isAddress);
  const endpoints = ours.flatMap((network) =>
    network.endpoints.map(({ id, mac, addresses }): [string, PluginEndpoint] => [
      id,
      { id, networkId: network.id, addresses: bare(addresses), mac },
    ]),
  );
  return {
    networks: new Map(ours.map(({ id, segment }) => [id, { id, segment: readSegment(segment) }])),
    endpoints: new Map(endpoints.filter(([, { addresses }]) => addresses.length > 0)),
    addresses: new Set(
      networks.flatMap((one) => bare([...one.extra, ...one.endpoints.flatMap(({ addresses }) => addresses)])),
    ),
  };
}

function readSegment(text: string | undefined): SegmentName | null {
  try {
    return text === undefined ? null : parseSegmentName(text);
  } catch {
    return null;
  }
}

function missing<T>(have: Iterable<T>, known: { has(key: T): boolean }): Set<T> {
  return new Set([...have].filter((key) => !known.has(key)));
}

function both<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): Set<T> {
  return new Set([...a].filter((key) => b.has(key)));
}
