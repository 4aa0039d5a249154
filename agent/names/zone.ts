/**
 * The mesh's DNS zone, made of the network map and of what this host knows of itself. Pure. `<host>`, `<workload>.<host>`
 * and `<service>`, all below the mesh's domain; a host's name wins over a service's, so that no container can take it.
 * Services answer with healthy instances of hosts that are there; a single instance answers while it runs.
 */
import type { HostRecord, NetworkMap } from '../../shared/network-map.ts';
import { type Address, addressValue, formatAddress } from '../../shared/net/address.ts';
import { type Cidr, containsAddress } from '../../shared/net/cidr.ts';
import { workloadsOf } from '../../shared/own-workloads.ts';
import type { HostId } from '../../shared/names.ts';
import { type Workload, isReservedName } from '../../shared/workload.ts';

export interface Zone {
  readonly domain: string;
  /** Lower case, without a dot at the end; undefined where there is no such name. */
  find(name: string): Entry | undefined;
  /** The name of an address; undefined where it has none. */
  nameOf(address: Address): string | undefined;
  /**
   * Of a name below `arpa` within the mesh's prefixes that is no whole address: `exists` stands above addresses, `none`
   * nowhere. Undefined for what is not the mesh's to speak of.
   */
  reverseOf(name: string): 'exists' | 'none' | undefined;
  /** True for addresses that only the mesh may speak of. */
  isInside(address: Address): boolean;
  /** For people. */
  list(): readonly NamedAddresses[];
}

export interface Entry {
  readonly addresses: readonly Address[];
  readonly services: readonly ServiceTarget[];
}

export interface ServiceTarget {
  readonly target: string;
  readonly port: number;
}

export interface NamedAddresses {
  readonly name: string;
  readonly kind: 'host' | 'workload' | 'service';
  readonly addresses: readonly Address[];
}

export interface ZoneInput {
  readonly map: NetworkMap;
  readonly selfId: HostId;
  /** This host's own, newer than the map's. */
  readonly own: readonly Workload[];
}

export function buildZone({ map, selfId, own }: ZoneInput): Zone {
  const { domain, overlayPools, containerPools } = map.mesh;
  const builder = createBuilder(domain);
  for (const host of map.hosts) builder.addHost(host);
  for (const host of map.hosts) {
    const workloads = host.id === selfId ? workloadsOf({ ...host, workloads: [...own] }) : workloadsOf(host);
    if (!host.isGone || host.id === selfId) for (const one of workloads) builder.addWorkload(host, one);
  }
  const inside: readonly Cidr[] = [...overlayPools, ...containerPools];
  return {
    domain,
    find: builder.find,
    nameOf: (address) => builder.names.get(address),
    reverseOf: (name) => reverseWithin(inside, name),
    isInside: (address) => inside.some((prefix) => containsAddress(prefix, address)),
    list: builder.list,
  };
}

interface MutableEntry {
  kind: NamedAddresses['kind'] | undefined;
  addresses: Address[];
  services: ServiceTarget[];
}

function createBuilder(domain: string) {
  const entries = new Map<string, MutableEntry>();
  const names = new Map<Address, string>();
  const hostNames = new Set<string>();
  /** Names above a name exist as well, without anything at them (RFC 8020). */
  const entryOf = (name: string): MutableEntry => {
    const found = entries.get(name);
    if (found !== undefined) return found;
    const made: MutableEntry = { kind: undefined, addresses: [], services: [] };
    entries.set(name, made);
    if (name !== domain) entryOf(name.slice(name.indexOf('.') + 1));
    return made;
  };
  const add = (name: string, kind: NamedAddresses['kind'], addresses: readonly Address[]): void => {
    const entry = entryOf(name);
    entry.kind = kind;
    entry.addresses.push(...addresses.filter((address) => !entry.addresses.includes(address)));
  };
  entryOf(domain);
  return {
    names,
    find: (name: string): Entry | undefined => entries.get(name),
    list: (): NamedAddresses[] =>
      [...entries]
        .flatMap(([name, { kind, addresses }]) => (kind === undefined ? [] : [{ name, kind, addresses }]))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    addHost(host: HostRecord): void {
      hostNames.add(host.name);
      if (isReservedName(host.name)) return;
      add(`${host.name}.${domain}`, 'host', host.addresses);
      for (const address of host.addresses) names.set(address, `${host.name}.${domain}`);
    },
    addWorkload(host: HostRecord, one: Workload): void {
      const target = `${one.name}.${host.name}.${domain}`;
      // A name below the host's own makes that one exist, and this host's is not in the zone.
      if (!isReservedName(host.name) && !isReservedName(one.name)) {
        add(target, 'workload', one.addresses);
        for (const address of one.addresses) if (!names.has(address)) names.set(address, target);
      }
      if (!one.isHealthy) return;
      for (const service of new Set<string>([one.name, ...one.services])) {
        if (hostNames.has(service) || isReservedName(service)) continue;
        add(`${service}.${domain}`, 'service', one.addresses);
        for (const { port, protocol } of one.ports) {
          entryOf(`_${port}._${protocol}.${service}.${domain}`).services.push({ target, port });
          entryOf(`_${service}._${protocol}.${domain}`).services.push({ target, port });
        }
      }
    },
  };
}

function reverseWithin(inside: readonly Cidr[], name: string): 'exists' | 'none' | undefined {
  const isV4 = name.endsWith('.in-addr.arpa');
  if (!isV4 && !name.endsWith('.ip6.arpa')) return undefined;
  const [digit, count, bits] = isV4 ? [/^(?:0|[1-9]\d{0,2})$/, 4, 8] : [/^[0-9a-f]$/, 32, 4];
  const labels = name.split('.').slice(0, -2).toReversed();
  const end = labels.findIndex((label, i) => i === count || !digit.test(label));
  const given = labels.slice(0, end === -1 ? labels.length : end);
  const whole = [...given, ...Array<string>(count - given.length).fill('0')].toReversed().join('.');
  const first = addressOfReverse(`${whole}.${isV4 ? 'in-addr' : 'ip6'}.arpa`);
  const isWithin = (prefix: Cidr): boolean =>
    first !== undefined && given.length * bits >= prefixLength(prefix) && containsAddress(prefix, first);
  if (!inside.some(isWithin)) return undefined;
  return given.length < count && given.length === labels.length ? 'exists' : 'none';
}

const prefixLength = (prefix: Cidr): number => Number(prefix.slice(prefix.indexOf('/') + 1));

/** `1.210.10.in-addr.arpa`-like names; undefined for anything that is not a whole address. */
export function addressOfReverse(name: string): Address | undefined {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name);
  if (v4 !== null) return canonical(v4.slice(1).toReversed().join('.'));
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1];
  if (v6 === undefined) return undefined;
  const digits = v6.replaceAll('.', '').split('').toReversed().join('');
  return canonicalV6(digits.match(/.{4}/g)?.join(':') ?? '');
}

function canonical(text: string): Address | undefined {
  try {
    addressValue(text);
    return text as Address;
  } catch {
    return undefined;
  }
}

function canonicalV6(text: string): Address | undefined {
  const value = BigInt(`0x${text.replaceAll(':', '')}`);
  try {
    return formatAddress({ family: 6, value });
  } catch {
    return undefined;
  }
}
