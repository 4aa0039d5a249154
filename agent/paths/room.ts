/**
 * Finds the ways to the peers and keeps them proven: asks, answers, and wakes the reconciler when a better one is known.
 * It moves nothing itself; the planner goes by `wishes`.
 */
import type { Logger } from 'pino';
import type { Clock, Timer } from '../clock.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { HostRecord } from '../../shared/network-map.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { Desired, DesiredPeer } from '../plan/desired.ts';
import { isHandshakeFresh } from '../plan/endpoints.ts';
import type { ObservedWireguard } from '../plan/observed.ts';
import type { PathWish } from '../plan/paths.ts';
import type { Channel } from '../probe/channel.ts';
import { type ExchangeEvents, newTransaction, paddingFor, startExchange } from './exchange.ts';
import { type Outside, type Sight, describeOutside } from './mapped.ts';
import { createSizes } from './mtu.ts';
import type { Candidate, Path } from './path.ts';
import { relayAt } from './relay-port.ts';
import { startReflector } from './reflector.ts';
import { type Carrier, createTracker } from './tracker.ts';

export interface PathRoom {
  /** Whom to find ways to, and by which endpoints. `watched`: whose end must be noticed soon. */
  setPeers({ peers, mtu }: Pick<Desired, 'peers' | 'mtu'>, watched: ReadonlySet<PublicKey>): void;
  /** A relay offers a way to the peer; without an endpoint it takes its offer back. */
  setCarried(peer: PublicKey, by: Carrier, endpoint: Endpoint | undefined): void;
  /** An address or route of this host changed: every way may be another now. */
  stir(): void;
  /** For the planner. `wireguard`: the last look at it. */
  wishes(wireguard: ObservedWireguard | undefined): ReadonlyMap<PublicKey, PathWish>;
  /** The best way to the peer that works. */
  best(peer: PublicKey): Path | undefined;
  /** No way works, and each was asked several times. */
  isSilent(peer: PublicKey): boolean;
  /** What is known of one way. */
  path(peer: PublicKey, endpoint: Endpoint): Path | undefined;
  /** All ways to the peer that are known. */
  ways(peer: PublicKey): readonly Path[];
  /** What fits into the tunnel to the peer, Infinity where all of its packets do; undefined while that is not known. */
  innerMtu(peer: PublicKey): number | undefined;
  outside(): Outside;
  /** Who saw this host where, peers and the server's reflector. */
  sights(): readonly Sight[];
  /** The server has told where its reflector is. */
  reflect(): void;
  stop(): void;
}

export interface PathRoomOptions {
  readonly channel: Channel;
  readonly clock: Clock;
  readonly log: Logger;
  readonly self: PublicKey;
  /** This host's own endpoints. */
  readonly own: () => readonly Endpoint[];
  readonly wireguard: () => ObservedWireguard | undefined;
  /** The server's reflector. */
  readonly reflector: () => Endpoint | undefined;
  /** Of the map. */
  readonly hosts: () => readonly HostRecord[];
  /** A peer has another best way or MTU than before, or WireGuard should begin there. */
  readonly onChange: () => void;
  /** This host looks different from outside. */
  readonly onOutside: () => void;
  /** Whether this host's agent agrees on preshared keys, and what a peer's has just said of that. */
  readonly isPskSpoken: boolean;
  readonly onPskSpoken: (peer: PublicKey, isSpoken: boolean) => void;
}

/** Questions a second at most; a host that starts among a thousand asks them one after the other. */
const burst = 50;
const tickMs = 100;
const settledMs = 4_000;
/** A peer that another host can stand in for. */
const watchedMs = 1_500;
/** Questions a second at ways that work; the more peers, the more seldom each is asked. */
const settledPerSecond = 25;
/** Which side of a pair begins, and how long the other waits: two handshakes that cross fail both. */
const kickPatienceMs = 1_500;
const kickAgainMs = 6_000;
const longestIdleMs = 1_000;

export function startPathRoom(options: PathRoomOptions): PathRoom {
  const { channel, clock, log, self, onChange } = options;
  let peers: ReadonlyMap<PublicKey, DesiredPeer> = new Map();
  let watched: ReadonlySet<PublicKey> = new Set();
  const sights = new Map<string, Sight>();
  const chosen = new Map<PublicKey, Endpoint>();
  const kicked = new Map<PublicKey, number>();
  /** The last look at the tunnel's counters. */
  let counted: ObservedWireguard | undefined;
  let timer: Timer | undefined;
  let isStopped = false;
  const describe = (peer: PublicKey, endpoint: Endpoint): Candidate => {
    if (isLoopback(endpoint)) return { endpoint, kind: 'tls' };
    const hosts = options.hosts();
    const host = hosts.find(({ publicKey }) => publicKey === peer);
    const relays = hosts.filter(({ isRelay }) => isRelay);
    const relay = host && relayAt(endpoint, host, relays);
    return relay === undefined ? { endpoint, kind: 'direct' } : { endpoint, kind: 'relay', via: relay.name };
  };
  const tracker = createTracker((peer) => {
    if (watched.has(peer)) return { settledMs: watchedMs };
    const all = Math.max(settledMs, (peers.size * 1000) / settledPerSecond);
    return { settledMs: self < peer ? all : all * 1.4 };
  }, describe);
  const sizes = createSizes((peer, innerMtu) => {
    log.debug({ peer: peers.get(peer)?.name, innerMtu }, 'mtu found');
    onChange();
  });

  const isKickDue = (peer: PublicKey, best: Path, wireguard: ObservedWireguard | undefined, now: number): boolean => {
    const seen = wireguard?.peers.get(peer);
    if (seen === undefined || isHandshakeFresh(seen, now)) return false;
    const patienceMs = self < peer ? 0 : kickPatienceMs;
    return now - (best.provenSince ?? now) >= patienceMs && now - (kicked.get(peer) ?? 0) >= kickAgainMs;
  };
  /** Looks at one peer after something was learned of it. */
  const look = (peer: PublicKey): void => {
    const now = clock.now();
    const best = tracker.choice(peer, now)?.best;
    const before = chosen.get(peer);
    if (best === undefined) {
      chosen.delete(peer);
      return;
    }
    if (before !== best.endpoint) {
      chosen.set(peer, best.endpoint);
      sizes.moved(peer, now);
      log.debug({ peer: peers.get(peer)?.name, kind: best.kind, via: best.via, rttMs: best.rttMs }, 'path chosen');
      onChange();
    } else if (isKickDue(peer, best, options.wireguard(), now)) onChange();
  };
  const outside = (): Outside => describeOutside(sights.values(), new Set(options.own()), clock.now());
  const noteSight = (observer: string, sight: Sight): void => {
    const isNew = sights.get(observer)?.mapped !== sight.mapped;
    sights.set(observer, sight);
    if (isNew) options.onOutside();
  };
  const heard: ExchangeEvents = {
    onPing: (peer, from, isSeeking) => {
      tracker.heard(peer, from, isSeeking, clock.now());
      schedule();
    },
    onPong: (peer, from, transaction, mapped, isSpoken) => {
      const now = clock.now();
      const isOfSize = sizes.answered(peer, from, transaction, now);
      if (!isOfSize && !tracker.answered(peer, from, transaction, now)) return;
      options.onPskSpoken(peer, isSpoken);
      if (isOfSize) return schedule();
      const way = tracker.choice(peer, now)?.best;
      // Through a relay it is the relay that is seen.
      if (mapped !== undefined && way?.endpoint === from && way.kind === 'direct')
        noteSight(`${peer} ${mapped.startsWith('[')}`, { observer: from, mapped, at: now });
      look(peer);
      schedule();
    },
    onAck: (peer, from) => {
      tracker.proven(peer, from, clock.now());
      look(peer);
      schedule();
    },
  };
  const exchange = startExchange(channel, heard, options.isPskSpoken);
  const reflector = startReflector({
    channel,
    clock,
    server: options.reflector,
    onSight: (observer, mapped) => noteSight(`server ${mapped.startsWith('[')}`, { observer, mapped, at: clock.now() }),
  });
  const turn = (): void => {
    const now = clock.now();
    const asked = tracker.ask(now, burst, newTransaction);
    for (const { peer, endpoint, isSeeking, transaction } of asked)
      exchange.ping(peer, endpoint, transaction, { isSeeking });
    for (const peer of new Set(asked.map((one) => one.peer))) look(peer);
    const seen = options.wireguard();
    if (seen !== counted) sizes.sent((peer) => seen?.peers.get(peer)?.txBytes ?? 0, now);
    counted = seen;
    const wayOf = (peer: PublicKey): Path | undefined => tracker.choice(peer, now)?.best;
    for (const { peer, endpoint, transaction, innerBytes } of sizes.ask(now, burst, wayOf, newTransaction))
      exchange.ping(peer, endpoint, transaction, { isSeeking: false, padding: paddingFor(innerBytes) });
    schedule();
  };
  const schedule = (): void => {
    if (isStopped) return;
    timer?.cancel();
    const now = clock.now();
    const waitMs = Math.min(longestIdleMs, Math.max(tickMs / 10, Math.min(tracker.nextAt(now), sizes.nextAt()) - now));
    timer = clock.after(waitMs, turn);
  };
  schedule();

  return {
    setPeers: ({ peers: wanted, mtu }, closely) => {
      peers = wanted;
      sizes.setPeers(wanted.keys(), mtu);
      watched = closely;
      channel.know(wanted.keys());
      tracker.setPeers(new Map([...wanted].map(([key, peer]) => [key, candidatesOf(peer)])), clock.now());
      for (const key of chosen.keys()) if (!wanted.has(key)) chosen.delete(key);
      for (const key of kicked.keys()) if (!wanted.has(key)) kicked.delete(key);
      const seen = options.wireguard();
      for (const key of wanted.keys()) tracker.setInUse(key, seen?.peers.get(key)?.endpoint);
      schedule();
    },
    setCarried: (peer, by, endpoint) => {
      tracker.setCarried(peer, by, endpoint, clock.now());
      look(peer);
      schedule();
    },
    stir: () => {
      sights.clear();
      reflector.ask();
      tracker.stir(undefined, clock.now());
      sizes.stir(clock.now());
      schedule();
    },
    wishes: (wireguard) => {
      const now = clock.now();
      const wishes = new Map<PublicKey, PathWish>();
      for (const key of peers.keys()) {
        tracker.setInUse(key, wireguard?.peers.get(key)?.endpoint);
        const choice = tracker.choice(key, now);
        if (choice === undefined) continue;
        const isDue = isKickDue(key, choice.best, wireguard, now);
        if (isDue) kicked.set(key, now);
        wishes.set(key, { best: choice.best.endpoint, worse: choice.worse, isKickDue: isDue });
      }
      return wishes;
    },
    best: (peer) => tracker.choice(peer, clock.now())?.best,
    isSilent: (peer) => tracker.isSilent(peer, clock.now()),
    path: (peer, endpoint) => tracker.path(peer, endpoint),
    ways: (peer) => tracker.ways(peer),
    innerMtu: (peer) => sizes.innerMtu(peer),
    outside,
    sights: () => [...sights.values()],
    reflect: () => reflector.ask(),
    stop: () => {
      isStopped = true;
      reflector.stop();
      timer?.cancel();
    },
  };
}

/** The way to a relay by TLS begins on this host itself; an agent that starts may find its tunnels at one. */
const isLoopback = (endpoint: Endpoint): boolean => endpoint.startsWith('127.');

const candidatesOf = ({ candidates, nearCount }: DesiredPeer): Candidate[] =>
  candidates.map((endpoint, i) => ({ endpoint, kind: i < nearCount ? 'lan' : 'direct' }));
