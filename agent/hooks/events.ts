/**
 * What hooks are called for: the difference between what they were told and what is reached now. There is no queue: a
 * host that went and came back while a slow hook ran is no event at all. Order and variables are tinc's. Pure.
 */
import { splitEndpoint } from '../../shared/net/endpoint.ts';
import { type Reach, type ReachedHost, type ReachedSubnet, nothingReached } from './reach.ts';

export const hookNames = ['warren-up', 'warren-down', 'host-up', 'host-down', 'subnet-up', 'subnet-down'] as const;
export type HookName = (typeof hookNames)[number];

export type HookEvent =
  | { readonly hook: 'warren-up' | 'warren-down' | 'host-up' | 'host-down'; readonly host: ReachedHost }
  | { readonly hook: 'subnet-up' | 'subnet-down'; readonly subnet: ReachedSubnet };

/** What goes comes first: a host before its subnets, the mesh as the last one; what comes follows, the mesh as the first. */
export function diffReach(told: Reach, now: Reach): HookEvent[] {
  const isOther = told.self !== null && now.self !== null && hostKey(told.self) !== hostKey(now.self);
  if (isOther) return [...diffReach(told, nothingReached), ...diffReach(nothingReached, now)];
  const down = changes('down', missing(told.hosts, now.hosts, hostKey), missing(told.subnets, now.subnets, subnetKey));
  const up = changes('up', missing(now.hosts, told.hosts, hostKey), missing(now.subnets, told.subnets, subnetKey));
  const ends = told.self !== null && now.self === null ? [{ hook: 'warren-down' as const, host: told.self }] : [];
  const begins = told.self === null && now.self !== null ? [{ hook: 'warren-up' as const, host: now.self }] : [];
  return [...down, ...ends, ...begins, ...up];
}

/** What was told once `event` is told too. */
export function withEvent(told: Reach, event: HookEvent): Reach {
  switch (event.hook) {
    case 'warren-up':
      return { ...told, self: event.host };
    case 'warren-down':
      return { ...told, self: null };
    case 'host-up':
      return { ...told, hosts: [...told.hosts, event.host] };
    case 'host-down':
      return { ...told, hosts: told.hosts.filter((host) => hostKey(host) !== hostKey(event.host)) };
    case 'subnet-up':
      return { ...told, subnets: [...told.subnets, event.subnet] };
    case 'subnet-down':
      return { ...told, subnets: told.subnets.filter((one) => subnetKey(one) !== subnetKey(event.subnet)) };
  }
}

/** Where hooks run. */
export interface HookPlace {
  readonly instance: string;
  readonly hostName: string;
  readonly interfaceName: string;
  readonly bridgeName: string;
}

/** Variables of one call; all values are of strict grammars. */
export function environmentOf(event: HookEvent, place: HookPlace): Readonly<Record<string, string>> {
  const host = 'host' in event ? event.host : event.subnet.owner;
  const isSelf = host.endpoint === null && host.name === place.hostName;
  const remote = host.endpoint === null ? undefined : splitEndpoint(host.endpoint);
  return {
    NETNAME: place.instance,
    NAME: place.hostName,
    INTERFACE: place.interfaceName,
    WARREN_INSTANCE: place.instance,
    WARREN_EVENT: event.hook,
    WARREN_BRIDGE: place.bridgeName,
    WARREN_HOST_ID: host.id,
    WARREN_ADDRESSES: host.addresses.join(' '),
    ...(isSelf && 'host' in event ? {} : { NODE: host.name }),
    ...(remote === undefined ? {} : { REMOTEADDRESS: remote.address, REMOTEPORT: String(remote.port) }),
    ...('subnet' in event ? subnetVariables(event.subnet) : {}),
  };
}

/** For people: `host-up of web`. */
export function describeEvent(event: HookEvent): string {
  return 'host' in event
    ? `${event.hook} of ${event.host.name}`
    : `${event.hook} of ${event.subnet.prefix} at ${event.subnet.owner.name}`;
}

function subnetVariables({ prefix, weight }: ReachedSubnet): Record<string, string> {
  return {
    SUBNET: prefix,
    ...(weight === null ? {} : { WEIGHT: String(weight) }),
    WARREN_SUBNET_KIND: weight === null ? 'lease' : 'advertised',
  };
}

/** Each host, then its subnets; then those of hosts that did not change. */
function changes(way: 'up' | 'down', hosts: readonly ReachedHost[], subnets: readonly ReachedSubnet[]): HookEvent[] {
  const byOwner = new Map<string, HookEvent[]>();
  for (const subnet of subnets) {
    const event: HookEvent = { hook: `subnet-${way}`, subnet };
    const list = byOwner.get(hostKey(subnet.owner));
    if (list === undefined) byOwner.set(hostKey(subnet.owner), [event]);
    else list.push(event);
  }
  const events: HookEvent[] = [];
  for (const host of hosts) {
    const key = hostKey(host);
    events.push({ hook: `host-${way}`, host }, ...(byOwner.get(key) ?? []));
    byOwner.delete(key);
  }
  const rest = [...byOwner.values()].flat();
  return way === 'up' ? [...rest, ...events] : [...events, ...rest];
}

function missing<T>(from: readonly T[], other: readonly T[], keyOf: (one: T) => string): T[] {
  const there = new Set(other.map(keyOf));
  return from.filter((one) => !there.has(keyOf(one)));
}

const hostKey = ({ id, name }: ReachedHost): string => `${id} ${name}`;

const subnetKey = ({ prefix, weight, owner }: ReachedSubnet): string => `${hostKey(owner)} ${prefix} ${weight}`;
