/**
 * The ways to every peer: which are known, which of them to ask now, which is the best that works. Pure but for its own
 * memory: the caller owns the clock, the transactions and the packets.
 */
import type { HostName } from '../../shared/names.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import {
  type Candidate,
  type Path,
  type Rhythm,
  answerDueAt,
  bestPath,
  isCarried,
  isSilent,
  newPath,
  nextAskAt,
} from './path.ts';

export interface Question {
  readonly peer: PublicKey;
  readonly endpoint: Endpoint;
  /** What the answer will have. */
  readonly transaction: string;
  /** True where the asker has no direct way, so that the other side looks for one in step. */
  readonly isSeeking: boolean;
}

export interface Choice {
  readonly best: Path;
  /** All other ways that are known; WireGuard is moved away from these and from nothing else. */
  readonly worse: readonly Endpoint[];
}

export interface Tracker {
  /** Peers that are not named any more are forgotten. Candidates best first. */
  setPeers(peers: ReadonlyMap<PublicKey, readonly Candidate[]>, now: number): void;
  /** What WireGuard has now. */
  setInUse(peer: PublicKey, endpoint: Endpoint | undefined): void;
  /** A way more, that a relay offers; `undefined` as endpoint takes the relay's of that kind away. */
  setCarried(peer: PublicKey, by: Carrier, endpoint: Endpoint | undefined, now: number): void;
  /** Ask at all ways again as if they were new: an own address changed, or the peer is looking for one. */
  stir(peer: PublicKey | undefined, now: number): void;
  /** Takes note of a signed question and where it came from. True where that way was not known. */
  heard(peer: PublicKey, from: Endpoint, isSeeking: boolean, now: number): boolean;
  /** What is to be asked now; each counts as asked. */
  ask(now: number, most: number, newTransaction: () => string): Question[];
  /** An answer to the transaction came from there; true where it proves a way. */
  answered(peer: PublicKey, from: Endpoint, transaction: string, now: number): boolean;
  /** The way was proven by an exchange that the peer began. */
  proven(peer: PublicKey, from: Endpoint, now: number): void;
  /** No way works, and each was asked several times. */
  isSilent(peer: PublicKey, now: number): boolean;
  path(peer: PublicKey, endpoint: Endpoint): Path | undefined;
  /** All ways to the peer that are known. */
  ways(peer: PublicKey): readonly Path[];
  choice(peer: PublicKey, now: number): Choice | undefined;
  /** When `ask` has something to do next. */
  nextAt(now: number): number;
}

/** Through whom, and how. */
export interface Carrier {
  readonly kind: 'relay' | 'tls';
  readonly via: HostName;
}

interface PeerPaths {
  readonly key: PublicKey;
  readonly paths: Map<Endpoint, Path>;
  inUse: Endpoint | undefined;
  stirredAt: number;
  /** When something is to be asked; 0: not known. */
  nextAt: number;
}

/** Ways that nobody named, kept per peer. */
const mostHeard = 4;
/** A way that answered so lately is not asked again only because another one answers too. */
const doubtMs = 300;
/** A peer that is looking wakes this one so often at most. */
const stirAgainMs = 5_000;

/**
 * `rhythm` may differ between peers: one side of a pair asks, and the other has its answers for the asking. `describe` tells
 * what kind of way an endpoint is that nobody has named.
 */
export function createTracker(
  rhythm: (peer: PublicKey) => Rhythm,
  describe: (peer: PublicKey, endpoint: Endpoint) => Candidate = (_, endpoint) => ({ endpoint, kind: 'direct' }),
): Tracker {
  const peers = new Map<PublicKey, PeerPaths>();
  const bestOf = (peer: PeerPaths, now: number): Path | undefined =>
    bestPath(peer.paths.values(), peer.inUse, now, rhythm(peer.key));
  const stirOne = (peer: PeerPaths, now: number): void => {
    for (const path of peer.paths.values()) path.asks = 0;
    peer.stirredAt = now;
    peer.nextAt = 0;
  };
  const nextOf = (peer: PeerPaths, now: number): number => {
    const best = bestOf(peer, now);
    let next = Infinity;
    for (const path of peer.paths.values()) next = Math.min(next, nextAskAt(path, best, rhythm(peer.key)));
    return next;
  };
  const prove = (peer: PeerPaths, path: Path, now: number): void => {
    if (path.provenAt === undefined || path.misses > 0) {
      path.provenSince = now;
      // A peer that answers elsewhere may have gone from where it was.
      const inUse = bestOf(peer, now);
      if (inUse !== undefined && inUse !== path && now - (inUse.provenAt ?? 0) >= doubtMs) inUse.asks = 0;
    }
    path.isTrusted = true;
    path.provenAt = now;
    path.misses = 0;
    peer.nextAt = 0;
  };
  /** What waits too long is missed; the best way that misses has all the others looked at. */
  const giveUp = (peer: PeerPaths, now: number): void => {
    const best = bestOf(peer, now);
    let isAlarming = false;
    for (const path of peer.paths.values()) {
      if (path.question === undefined || answerDueAt(path) > now) continue;
      path.question = undefined;
      path.misses += 1;
      isAlarming ||= path === best && path.misses === 1;
    }
    if (isAlarming) stirOne(peer, now);
  };

  return {
    setPeers: (wanted, now) => {
      for (const key of peers.keys()) if (!wanted.has(key)) peers.delete(key);
      for (const [key, candidates] of wanted) {
        const peer = peers.get(key) ?? newPeer(key, now);
        peers.set(key, peer);
        if (replaceNamed(peer.paths, candidates)) stirOne(peer, now);
      }
    },
    setInUse: (key, endpoint) => {
      const peer = peers.get(key);
      if (peer === undefined) return;
      const isKnown = endpoint === undefined || peer.paths.has(endpoint);
      if (peer.inUse === endpoint && isKnown) return;
      peer.inUse = endpoint;
      peer.nextAt = 0;
      // Also one that a newer record does not name: what is not known here, nobody moves the tunnel away from.
      if (!isKnown) addHeard(peer.paths, describe(key, endpoint), true);
    },
    setCarried: (key, { kind, via }, endpoint, now) => {
      const peer = peers.get(key);
      if (peer === undefined) return;
      for (const path of peer.paths.values()) {
        if (path.kind === kind && path.via === via && path.endpoint !== endpoint) peer.paths.delete(path.endpoint);
      }
      const known = endpoint === undefined ? undefined : peer.paths.get(endpoint);
      if (endpoint !== undefined && (known?.kind !== kind || known.via !== via))
        peer.paths.set(endpoint, newPath({ endpoint, kind, via }, false));
      peer.nextAt = Math.min(peer.nextAt, now);
    },
    stir: (key, now) => {
      for (const [other, peer] of peers) if (key === undefined || key === other) stirOne(peer, now);
    },
    heard: (key, from, isSeeking, now) => {
      const peer = peers.get(key);
      if (peer === undefined) return false;
      const isNew = !peer.paths.has(from);
      if (isNew) addHeard(peer.paths, describe(key, from), false);
      if (isSeeking && isCarried(bestOf(peer, now)?.kind ?? 'relay') && now - peer.stirredAt >= stirAgainMs)
        stirOne(peer, now);
      return isNew;
    },
    ask: (now, most, newTransaction) => {
      const asked: Question[] = [];
      for (const [key, peer] of peers) {
        if (asked.length >= most) break;
        if (peer.nextAt > now) continue;
        giveUp(peer, now);
        const best = bestOf(peer, now);
        const isSeeking = best === undefined || isCarried(best.kind);
        for (const path of peer.paths.values()) {
          if (path.question !== undefined || nextAskAt(path, best, rhythm(key)) > now) continue;
          const transaction = newTransaction();
          path.question = transaction;
          path.askedAt = now;
          path.asks += 1;
          asked.push({ peer: key, endpoint: path.endpoint, transaction, isSeeking });
        }
        peer.nextAt = nextOf(peer, now);
      }
      return asked;
    },
    answered: (key, from, transaction, now) => {
      const peer = peers.get(key);
      const path = peer?.paths.get(from);
      if (peer === undefined || path === undefined || path.question !== transaction) return false;
      path.rttMs = now - (path.askedAt ?? now);
      path.question = undefined;
      prove(peer, path, now);
      return true;
    },
    proven: (key, from, now) => {
      const peer = peers.get(key);
      const path = peer?.paths.get(from);
      if (peer !== undefined && path !== undefined) prove(peer, path, now);
    },
    isSilent: (key, now) => {
      const peer = peers.get(key);
      return peer !== undefined && bestOf(peer, now) === undefined && [...peer.paths.values()].every(isSilent);
    },
    path: (key, endpoint) => peers.get(key)?.paths.get(endpoint),
    ways: (key) => [...(peers.get(key)?.paths.values() ?? [])],
    choice: (key, now) => {
      const peer = peers.get(key);
      const best = peer === undefined ? undefined : bestOf(peer, now);
      if (peer === undefined || best === undefined) return undefined;
      return { best, worse: [...peer.paths.keys()].filter((endpoint) => endpoint !== best.endpoint) };
    },
    nextAt: (now) => {
      let next = Infinity;
      for (const peer of peers.values()) {
        if (peer.nextAt === 0) peer.nextAt = nextOf(peer, now);
        next = Math.min(next, peer.nextAt);
      }
      return next;
    },
  };
}

const newPeer = (key: PublicKey, now: number): PeerPaths => ({
  key,
  paths: new Map(),
  inUse: undefined,
  stirredAt: now,
  nextAt: 0,
});

/** The named ones are these; what was learned of those that stay is kept. True where one is new. */
function replaceNamed(paths: Map<Endpoint, Path>, candidates: readonly Candidate[]): boolean {
  const wanted = new Map(candidates.map((candidate) => [candidate.endpoint, candidate]));
  for (const path of paths.values()) {
    if (!isCarried(path.kind) && !path.isHeard && !wanted.has(path.endpoint)) paths.delete(path.endpoint);
  }
  let isNew = false;
  for (const candidate of candidates) {
    const known = paths.get(candidate.endpoint);
    if (known !== undefined && known.kind === candidate.kind && !known.isHeard) continue;
    isNew ||= known === undefined;
    paths.set(candidate.endpoint, {
      ...(known ?? newPath(candidate, false)),
      ...candidate,
      isHeard: false,
      isTrusted: true,
    });
  }
  return isNew;
}

/** The one that was silent longest gives way. */
function addHeard(paths: Map<Endpoint, Path>, candidate: Candidate, isTrusted: boolean): void {
  const heard = [...paths.values()].filter(({ isHeard }) => isHeard);
  if (heard.length >= mostHeard) {
    const [oldest] = heard.sort((a, b) => (a.provenAt ?? 0) - (b.provenAt ?? 0));
    if (oldest !== undefined) paths.delete(oldest.endpoint);
  }
  paths.set(candidate.endpoint, { ...newPath(candidate, true), isTrusted });
}
