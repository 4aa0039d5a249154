/** One way to a peer: an endpoint, how it is known, and what asking at it came to. Pure; times in ms of one steady clock. */
import type { HostName } from '../../shared/names.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';

/** Over an own network, over other networks, through a relay, through a relay by TLS. The order is the order of preference. */
export const pathKinds = ['lan', 'direct', 'relay', 'tls'] as const;
export type PathKind = (typeof pathKinds)[number];

/** Ways that others carry: a better one is looked for as long as one of them is the best. */
export const isCarried = (kind: PathKind): boolean => kind === 'relay' || kind === 'tls';

export interface Candidate {
  readonly endpoint: Endpoint;
  readonly kind: PathKind;
  /** The relay. */
  readonly via?: HostName;
}

export interface Path extends Candidate {
  /** True where the peer's own packets came from it and nobody named it. */
  readonly isHeard: boolean;
  /** Named, found by WireGuard or proven; what a ping alone tells of is answered, which asks back, and not asked: it may be a replay. */
  isTrusted: boolean;
  /** Questions since something new happened. */
  asks: number;
  /** When the last question went out; undefined before the first. */
  askedAt: number | undefined;
  /** The question that waits for its answer. */
  question: string | undefined;
  /** Questions in a row that had no answer. */
  misses: number;
  /** When it last answered. */
  provenAt: number | undefined;
  /** When it first answered after it had not. */
  provenSince: number | undefined;
  /** Of the last answer; Infinity before the first. */
  rttMs: number;
}

export const newPath = (candidate: Candidate, isHeard: boolean): Path => ({
  ...candidate,
  isHeard,
  isTrusted: !isHeard,
  asks: 0,
  askedAt: undefined,
  question: undefined,
  misses: 0,
  provenAt: undefined,
  provenSince: undefined,
  rttMs: Infinity,
});

/** As many questions in a row go unanswered on a way that works once in a million times at 1 % of loss. */
const deadMisses = { lan: 3, direct: 3, relay: 2, tls: 3 };

export interface Rhythm {
  /** Between two questions at a direct way that works. */
  readonly settledMs: number;
}

/** Between two questions at a relayed way: another relay takes over within 3 seconds. */
const relayedMs = 700;
/** Gaps between questions where nothing direct has answered. */
const seekingMs = [0, 200, 300, 500, 1000, 1000, 2000, 3000];
/** Afterwards, by how often it was asked: a peer that comes back within minutes is found within seconds. */
const laterMs = [
  { asks: 45, ms: 5_000 },
  { asks: 75, ms: 10_000 },
  { asks: Infinity, ms: 60_000 },
];
/** A host that sends over TLS gains the most by anything better, and a network that blocks UDP may stop to at any time. */
const longestOverTlsMs = 10_000;
/** How often ways are asked that are not needed, to see which is the best. */
const comparisons = 3;

export const isUsable = (path: Path, now: number, { settledMs }: Rhythm): boolean =>
  path.provenAt !== undefined &&
  path.misses < deadMisses[path.kind] &&
  now - path.provenAt < Math.max(15_000, 3 * settledMs);

export const isSilent = (path: Path): boolean => path.misses >= deadMisses.direct;

/** When no answer counts as none. */
export function answerDueAt(path: Path): number {
  // A stream loses nothing: what is late is on its way still, behind what was sent before.
  if (path.kind === 'tls') return (path.askedAt ?? 0) + Math.min(2000, Math.max(600, 4 * path.rttMs));
  return (path.askedAt ?? 0) + (path.provenAt === undefined ? 1000 : patienceMs(path.rttMs));
}

/** How long an answer is waited for where the last took `rttMs`. */
export const patienceMs = (rttMs: number): number => Math.min(1000, Math.max(300, 4 * rttMs));

/** When to ask next; Infinity for never. `best`: the peer's best way, which may be this one. */
export function nextAskAt(path: Path, best: Path | undefined, rhythm: Rhythm): number {
  if (path.question !== undefined) return answerDueAt(path);
  if (!path.isTrusted) return Infinity;
  if (path.asks === 0) return -Infinity;
  const last = Math.max(path.askedAt ?? -Infinity, path.provenAt ?? -Infinity);
  if (path === best) {
    if (path.misses > 0) return path.askedAt ?? 0;
    return last + (isCarried(path.kind) ? relayedMs : rhythm.settledMs);
  }
  // What is not needed is left alone once it is known how good it is.
  if (best !== undefined && !isCarried(best.kind)) {
    if (path.asks >= comparisons || isCarried(path.kind)) return Infinity;
  }
  if (best?.kind === 'relay' && path.kind === 'tls' && path.asks >= comparisons) return Infinity;
  const gap = seekingMs[path.asks] ?? laterMs.find(({ asks }) => path.asks < asks)?.ms ?? 0;
  return (path.askedAt ?? -Infinity) + (best?.kind === 'tls' ? Math.min(gap, longestOverTlsMs) : gap);
}

const rank = (path: Path): number => pathKinds.indexOf(path.kind);

/** True where the peer moved from one way to another: it answered at the second ever since the first is silent. Not over TLS, where late is not lost. */
const hasMoved = (from: Path, to: Path): boolean =>
  from.kind !== 'tls' &&
  from.misses > 0 &&
  to.misses === 0 &&
  (to.provenSince ?? -Infinity) > (from.provenAt ?? Infinity);

const isBetter = (path: Path, other: Path): boolean => {
  if (rank(path) !== rank(other)) return rank(path) < rank(other);
  return hasMoved(other, path) || (path.rttMs < other.rttMs && !hasMoved(path, other));
};

/**
 * Ways as good as each other: moving between them would gain nothing. What goes through streams in user space takes as long
 * as machines are busy at the moment, so there only much less is less.
 */
function isAsGood(path: Path, other: Path): boolean {
  if (rank(path) !== rank(other) || hasMoved(path, other)) return false;
  return path.rttMs <= (path.kind === 'tls' ? other.rttMs * 3 + 500 : other.rttMs * 1.3 + 5);
}

/** The best that works; the one in use where it is as good. */
export function bestPath(
  paths: Iterable<Path>,
  inUse: Endpoint | undefined,
  now: number,
  rhythm: Rhythm,
): Path | undefined {
  let best: Path | undefined;
  let current: Path | undefined;
  for (const path of paths) {
    if (!isUsable(path, now, rhythm)) continue;
    if (path.endpoint === inUse) current = path;
    if (best === undefined || isBetter(path, best)) best = path;
  }
  return current !== undefined && best !== undefined && isAsGood(current, best) ? current : best;
}
