/**
 * Which pairs have ports at this relay, and from where each host was proven to send to its own. It knows who may have
 * one and how many; what hosts say is `pairs.ts`. Pure but for its own memory.
 */
import type { Family } from '../../shared/net/address.ts';
import { type Endpoint, splitEndpoint } from '../../shared/net/endpoint.ts';
import { type PortRange, portsOfSlot, slotOf, slotsOf } from './ports.ts';
import type { ProbeId, RelayRefusal } from './wire.ts';

/** One direction of a pair as the kernel must have it: what comes from `source` to `port` goes on to `target` from `twin`. */
export interface Forward {
  readonly family: Family;
  readonly source: Endpoint;
  readonly port: number;
  readonly target: Endpoint;
  readonly twin: number;
  /** Whose packets these are, and whose they become. */
  readonly hosts: readonly [ProbeId, ProbeId];
}

export interface Source {
  readonly endpoint: Endpoint;
  /** Of the last claim or echo, for `ready` when the other side is there. */
  readonly transaction: string | undefined;
}

export interface Side {
  readonly host: ProbeId;
  readonly port: number;
  readonly sources: Map<Family, Source>;
  /** Goes up whenever a source is taken, and makes older challenges worthless. */
  generation: number;
  seenAt: number;
}

export interface Pair {
  readonly slot: number;
  /** The lower id first. */
  readonly sides: readonly [Side, Side];
  invitedAt: number;
  /** Families of which both sides were told that they are through. */
  readonly told: Set<Family>;
}

/** A side and what is across. */
export interface Place {
  readonly pair: Pair;
  readonly own: Side;
  readonly across: Side;
}

export interface PairBook {
  /** Who may be relayed; pairs of others are gone at once. */
  setMembers(members: ReadonlySet<ProbeId>): void;
  /** The pair of these two, made where there is none. */
  take(host: ProbeId, partner: ProbeId, now: number): Place | RelayRefusal;
  /** The same for a port that the host says is its own; it may have been given by an agent before this one. */
  claim(port: number, host: ProbeId, partner: ProbeId, now: number): Place | RelayRefusal;
  /** Undefined unless the port is this host's, for this partner. */
  find(port: number, host: ProbeId, partner: ProbeId): Place | undefined;
  pairs(): Iterable<Pair>;
  sweep(isUsed: (port: number) => boolean, now: number): void;
  count(): number;
}

/** A pair of which one side is missing is kept that long after the last word of either. */
const waitingMs = 30_000;
/** A side that neither claims nor sends. */
const idleMs = 120_000;

export const families = [4, 6] as const;
export const familyOf = (endpoint: Endpoint): Family => (splitEndpoint(endpoint).address.includes(':') ? 6 : 4);

export function createBook(range: PortRange): PairBook {
  const bySlot = new Map<number, Pair>();
  let members: ReadonlySet<ProbeId> = new Set();
  let nextSlot = 0;
  /** So that few hosts cannot take all ports. */
  const mostPerHost = Math.max(8, Math.floor(slotsOf(range) / 4));

  const isOf = ({ sides }: Pair, host: ProbeId): boolean => sides.some((side) => side.host === host);
  const pairOf = (one: ProbeId, two: ProbeId): Pair | undefined =>
    [...bySlot.values()].find((pair) => isOf(pair, one) && isOf(pair, two));
  const isFull = (host: ProbeId): boolean =>
    [...bySlot.values()].filter((pair) => isOf(pair, host)).length >= mostPerHost;
  const refusalOf = (host: ProbeId, partner: ProbeId): RelayRefusal | undefined => {
    if (members.size === 0) return 'no-relay';
    return host === partner || !members.has(host) || !members.has(partner) ? 'unknown-host' : undefined;
  };
  const make = (slot: number, host: ProbeId, partner: ProbeId, now: number): Pair | RelayRefusal => {
    if (isFull(host) || isFull(partner)) return 'too-many';
    const [low, high] = portsOfSlot(range, slot);
    const side = (id: ProbeId): Side => ({
      host: id,
      port: id === (host < partner ? host : partner) ? low : high,
      sources: new Map(),
      generation: 0,
      seenAt: now,
    });
    const sides = host < partner ? ([side(host), side(partner)] as const) : ([side(partner), side(host)] as const);
    const pair: Pair = { slot, sides, invitedAt: -Infinity, told: new Set() };
    bySlot.set(slot, pair);
    return pair;
  };
  /** A slot that was just given back is the last to be given again: late packets of the pair before find nobody. */
  const freeSlot = (): number | undefined => {
    const count = slotsOf(range);
    for (let tried = 0; tried < count; tried += 1) {
      const slot = (nextSlot + tried) % count;
      if (bySlot.has(slot)) continue;
      nextSlot = slot + 1;
      return slot;
    }
    return undefined;
  };
  const placeOf = (pair: Pair | RelayRefusal, host: ProbeId): Place | RelayRefusal => {
    if (typeof pair === 'string') return pair;
    const [low, high] = pair.sides;
    return low.host === host ? { pair, own: low, across: high } : { pair, own: high, across: low };
  };

  return {
    setMembers: (wanted) => {
      members = wanted;
      for (const [slot, { sides }] of bySlot) if (!sides.every(({ host }) => members.has(host))) bySlot.delete(slot);
    },
    take: (host, partner, now) => {
      const refused = refusalOf(host, partner);
      if (refused !== undefined) return refused;
      const known = pairOf(host, partner);
      if (known !== undefined) return placeOf(known, host);
      const slot = freeSlot();
      return slot === undefined ? 'full' : placeOf(make(slot, host, partner, now), host);
    },
    claim: (port, host, partner, now) => {
      const refused = refusalOf(host, partner);
      if (refused !== undefined) return refused;
      const place = slotOf(range, port);
      if (place === undefined || place.side !== (host < partner ? 0 : 1)) return 'lost';
      const known = pairOf(host, partner);
      if (known !== undefined) return known.slot === place.slot ? placeOf(known, host) : 'lost';
      return bySlot.has(place.slot) ? 'lost' : placeOf(make(place.slot, host, partner, now), host);
    },
    find: (port, host, partner) => {
      const place = slotOf(range, port);
      const pair = place === undefined ? undefined : bySlot.get(place.slot);
      const found = pair === undefined ? undefined : placeOf(pair, host);
      if (found === undefined || typeof found === 'string') return undefined;
      const { own, across } = found;
      return own.port === port && own.host === host && across.host === partner ? found : undefined;
    },
    pairs: () => bySlot.values(),
    sweep: (isUsed, now) => {
      for (const [slot, { sides, told }] of bySlot) {
        for (const own of sides) {
          if (own.sources.size === 0) continue;
          if (isUsed(own.port)) own.seenAt = now;
          if (now - own.seenAt < idleMs) continue;
          own.sources.clear();
          told.clear();
        }
        const isWhole = sides.every(({ sources }) => sources.size > 0);
        const seenAt = Math.max(...sides.map((side) => side.seenAt));
        if (!isWhole && now - seenAt >= waitingMs) bySlot.delete(slot);
      }
    },
    count: () => bySlot.size,
  };
}

export function forwardsOf({ sides: [a, b] }: Pair, family: Family): Forward[] {
  const [fromA, fromB] = [a.sources.get(family)?.endpoint, b.sources.get(family)?.endpoint];
  if (fromA === undefined || fromB === undefined) return [];
  return [
    { family, source: fromA, port: a.port, target: fromB, twin: b.port, hosts: [a.host, b.host] },
    { family, source: fromB, port: b.port, target: fromA, twin: a.port, hosts: [b.host, a.host] },
  ];
}
