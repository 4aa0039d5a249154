/**
 * How large a packet may be on the way to each peer. Questions padded to the size of the tunnel's packets are asked beside
 * those of liveness, so one that is lost says nothing of whether the peer is there: it is asked again, and where that is
 * lost too, questions of all sizes go out at once, and the largest that is answered is what fits. Pure but for its memory.
 */
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import { patienceMs } from './path.ts';

export interface SizeQuestion {
  readonly peer: PublicKey;
  readonly endpoint: Endpoint;
  readonly transaction: string;
  /** Bytes inside the tunnel that the question takes the room of. */
  readonly innerBytes: number;
}

/** What is asked about: the way that is used. */
export interface SizedWay {
  readonly endpoint: Endpoint;
  readonly rttMs: number;
}

export interface Sizes {
  /** `top`: the tunnel's MTU, more than which is never asked for. */
  setPeers(peers: Iterable<PublicKey>, top: number): void;
  /** Bytes that were sent into the tunnel to each peer since it was made. */
  sent(bytesTo: (peer: PublicKey) => number, now: number): void;
  /** Every way may be another now: what was too much may fit. */
  stir(now: number): void;
  /** The peer has another way. */
  moved(peer: PublicKey, now: number): void;
  ask(
    now: number,
    most: number,
    wayOf: (peer: PublicKey) => SizedWay | undefined,
    newTransaction: () => string,
  ): SizeQuestion[];
  /** True where the answer was to a question of this kind. */
  answered(peer: PublicKey, from: Endpoint, transaction: string, now: number): boolean;
  /** What fits into the tunnel to the peer, Infinity where all of its packets do; undefined while nothing was answered. */
  innerMtu(peer: PublicKey): number | undefined;
  nextAt(): number;
}

/** All of a search, or the one size that is believed. */
interface Round {
  readonly isSearch: boolean;
  readonly sizes: Map<string, number>;
  readonly endsAt: number;
  /** The largest that was answered; 0 for none. */
  best: number;
}

interface PeerSize {
  endpoint: Endpoint | undefined;
  /** What counts; nobody is told of it before something was answered. */
  mtu: number;
  isKnown: boolean;
  /** What is asked for; more than `mtu` where the way is new. */
  goal: number;
  round: Round | undefined;
  /** In a row, of `goal`. */
  misses: number;
  /** Searches in a row that nothing at all answered. */
  silences: number;
  /** Searches still to come, for what was lost by chance. */
  repeats: number;
  nextAt: number;
  raiseAt: number;
  /** As of the last look. */
  sentBytes: number;
  busyUntil: number;
}

/** Questions a second of all peers together, and how often one is asked at most. */
const perSecond = 10;
const checkMs = 1_000;
/** So much more sent between two looks is traffic and not keepalives; its peer counts as busy so long. */
const busyBytes = 3_000;
const busyMs = 10_000;
/** How often more is tried where less than the tunnel's MTU fits. */
const raiseMs = 120_000;
const longestSilenceMs = 30_000;
const repeatsOfSearch = 1;

/**
 * WireGuard pads what it sends to multiples of 16 bytes, so nothing between them is of use; the steps are those of
 * networks below Ethernet's, and far apart where no network is known.
 */
export const ladder: readonly number[] = [
  8192,
  4096,
  2048,
  ...Array.from({ length: 18 }, (_, i) => 1440 - 16 * i),
  1024,
  576,
];

/** `onChange`: another size fits to a peer. */
export function createSizes(onChange: (peer: PublicKey, innerMtu: number) => void): Sizes {
  const peers = new Map<PublicKey, PeerSize>();
  let top = 0;
  let busyCount = 0;
  /** Peers with traffic have half of the questions for themselves, so how soon a hole is found is no matter of all the others. */
  const everyMs = ({ busyUntil }: PeerSize, now: number): number => {
    if (peers.size <= perSecond) return checkMs;
    const allMs = (peers.size * 1000) / perSecond;
    return busyUntil > now ? Math.max(checkMs, Math.min(allMs, 2 * ((busyCount * 1000) / perSecond))) : 2 * allMs;
  };
  const begin = (peer: PeerSize, now: number): void => {
    Object.assign(peer, { goal: top, misses: 0, silences: 0, repeats: 0, round: undefined, nextAt: now });
  };
  const settle = (key: PublicKey, peer: PeerSize, mtu: number): void => {
    peer.goal = mtu;
    peer.misses = 0;
    peer.silences = 0;
    peer.isKnown = true;
    if (peer.mtu === mtu) return;
    peer.mtu = mtu;
    onChange(key, mtu);
  };
  const end = (key: PublicKey, peer: PeerSize, { isSearch, best }: Round, now: number): void => {
    peer.round = undefined;
    peer.nextAt = now + everyMs(peer, now);
    if (!isSearch) {
      if (best > 0) return settle(key, peer, best);
      peer.misses += 1;
      peer.nextAt = now;
      return;
    }
    if (best > 0) settle(key, peer, best);
    else if (peer.misses > 0) {
      peer.silences += 1;
      peer.nextAt = now + Math.min(longestSilenceMs, checkMs * 2 ** peer.silences);
      return;
    }
    if (peer.mtu >= top) return;
    if (peer.repeats > 0) {
      peer.repeats -= 1;
      peer.raiseAt = now;
      peer.nextAt = now;
    } else peer.raiseAt = now + raiseMs;
  };
  /** Sizes whose question is due. */
  const sizesOf = (peer: PeerSize, now: number): { isSearch: boolean; sizes: readonly number[] } => {
    const all = [top, ...ladder.filter((size) => size < top)];
    if (peer.misses >= 2) return { isSearch: true, sizes: all };
    if (peer.misses === 0 && peer.goal < top && now >= peer.raiseAt)
      return { isSearch: true, sizes: all.filter((size) => size > peer.mtu) };
    return { isSearch: false, sizes: [peer.goal] };
  };

  return {
    setPeers: (wanted, mtu) => {
      const keys = new Set(wanted);
      for (const key of peers.keys()) if (!keys.has(key)) peers.delete(key);
      if (top !== mtu) {
        for (const peer of peers.values()) {
          // What is lowered stays so until more is answered.
          peer.mtu = peer.mtu === top ? mtu : Math.min(peer.mtu, mtu);
          Object.assign(peer, { goal: mtu, misses: 0, round: undefined, nextAt: 0 });
        }
      }
      top = mtu;
      for (const key of keys) if (!peers.has(key)) peers.set(key, newPeer(top));
    },
    sent: (bytesTo, now) => {
      busyCount = 0;
      for (const [key, peer] of peers) {
        const bytes = bytesTo(key);
        const isBusy = bytes - peer.sentBytes >= busyBytes;
        peer.sentBytes = bytes;
        if (isBusy) {
          if (peer.busyUntil <= now) peer.nextAt = Math.min(peer.nextAt, now);
          peer.busyUntil = now + busyMs;
        }
        if (peer.busyUntil > now) busyCount += 1;
      }
    },
    stir: (now) => {
      for (const peer of peers.values()) begin(peer, now);
    },
    moved: (key, now) => {
      const peer = peers.get(key);
      if (peer !== undefined) begin(peer, now);
    },
    ask: (now, most, wayOf, newTransaction) => {
      const asked: SizeQuestion[] = [];
      for (const [key, peer] of peers) {
        if (asked.length >= most) break;
        if (peer.round !== undefined && peer.round.endsAt <= now) end(key, peer, peer.round, now);
        if (peer.round !== undefined || peer.nextAt > now) continue;
        const way = wayOf(key);
        if (way === undefined) {
          peer.endpoint = undefined;
          peer.nextAt = now + checkMs;
          continue;
        }
        if (way.endpoint !== peer.endpoint) begin(peer, now);
        peer.endpoint = way.endpoint;
        const { isSearch, sizes } = sizesOf(peer, now);
        if (isSearch && peer.misses > 0) peer.repeats = repeatsOfSearch;
        peer.round = { isSearch, sizes: new Map(), endsAt: now + patienceMs(way.rttMs), best: 0 };
        for (const size of sizes) {
          const transaction = newTransaction();
          peer.round.sizes.set(transaction, size);
          asked.push({ peer: key, endpoint: way.endpoint, transaction, innerBytes: size });
        }
      }
      return asked;
    },
    answered: (key, from, transaction, now) => {
      const peer = peers.get(key);
      const size = peer?.round?.sizes.get(transaction);
      if (peer?.round === undefined || size === undefined || peer.endpoint !== from) return false;
      peer.round.best = Math.max(peer.round.best, size);
      // More than the largest that was asked for cannot come.
      if ([...peer.round.sizes.values()].every((other) => other <= size)) end(key, peer, peer.round, now);
      return true;
    },
    innerMtu: (key) => {
      const peer = peers.get(key);
      if (peer?.isKnown !== true) return undefined;
      return peer.mtu < top ? peer.mtu : Infinity;
    },
    nextAt: () => {
      let next = Infinity;
      for (const { round, nextAt } of peers.values()) next = Math.min(next, round?.endsAt ?? nextAt);
      return next;
    },
  };
}

const newPeer = (top: number): PeerSize => ({
  endpoint: undefined,
  mtu: top,
  isKnown: false,
  goal: top,
  round: undefined,
  misses: 0,
  silences: 0,
  repeats: 0,
  nextAt: 0,
  raiseAt: 0,
  sentBytes: 0,
  busyUntil: 0,
});
