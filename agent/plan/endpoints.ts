/**
 * Which endpoint a peer is tried at. A way that the peer has proven is taken, unless WireGuard has found another by itself.
 * Where none is proven WireGuard's roaming is the authority: an endpoint that brought a handshake less than 180 seconds
 * ago (REJECT_AFTER_TIME of the WireGuard paper, section 6.1) is never moved. Otherwise the candidates are tried in turn,
 * ever more slowly once all of them have failed.
 */
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { DesiredPeer } from './desired.ts';
import type { ObservedPeer } from './observed.ts';

export const freshHandshakeMs = 180_000;
export const tryMs = 15_000;
const longestTryMs = 240_000;

/** What the agent remembers of the tries at one peer. Plain data; an agent that restarts begins with none. */
export interface EndpointTry {
  readonly endpoint: Endpoint | undefined;
  /** Milliseconds since 1970 when `endpoint` was set or first seen without a handshake. */
  readonly triedAt: number;
  /** How many endpoints were tried since the last fresh handshake. */
  readonly tries: number;
}
export type EndpointMemory = ReadonlyMap<PublicKey, EndpointTry>;

export const noEndpointMemory: EndpointMemory = new Map();

export function isHandshakeFresh(peer: Pick<ObservedPeer, 'handshakeAt'>, now: number): boolean {
  return peer.handshakeAt > 0 && now - peer.handshakeAt < freshHandshakeMs;
}

/** The endpoint to set now, or undefined to leave the peer as it is. */
export function chooseEndpoint(
  peer: DesiredPeer,
  observed: ObservedPeer | undefined,
  memory: EndpointTry | undefined,
  now: number,
): Endpoint | undefined {
  const { path } = peer;
  const first = path?.best ?? peer.candidates[0];
  if (first === undefined) return undefined;
  if (observed === undefined || !observed.hasEndpoint) return first;
  if (path !== undefined && observed.endpoint !== path.best) {
    // What nobody knows of is what WireGuard found by itself a moment ago.
    const isKnownWorse = observed.endpoint === undefined || path.worse.includes(observed.endpoint);
    return isKnownWorse || !isHandshakeFresh(observed, now) ? path.best : undefined;
  }
  if (isHandshakeFresh(observed, now)) return undefined;
  if (memory === undefined || memory.endpoint !== observed.endpoint) return undefined;
  if (now - memory.triedAt < patienceMs(memory.tries, peer.candidates.length)) return undefined;
  const at = observed.endpoint === undefined ? -1 : peer.candidates.indexOf(observed.endpoint);
  const next = peer.candidates[(at + 1) % peer.candidates.length];
  return next === observed.endpoint ? undefined : next;
}

/**
 * The memory after an observation: called once per observation, before `plan`. Peers with a fresh handshake are
 * forgotten, an endpoint that appeared (set by us, or roamed) starts its own time.
 */
export function trackEndpoints(
  memory: EndpointMemory,
  observed: ReadonlyMap<PublicKey, ObservedPeer>,
  now: number,
): EndpointMemory {
  const next = new Map<PublicKey, EndpointTry>();
  for (const [key, peer] of observed) {
    if (!peer.hasEndpoint || isHandshakeFresh(peer, now)) continue;
    const before = memory.get(key);
    const isSame = before !== undefined && before.endpoint === peer.endpoint;
    next.set(key, isSame ? before : { endpoint: peer.endpoint, triedAt: now, tries: (before?.tries ?? 0) + 1 });
  }
  return next;
}

/** 15 seconds per candidate in the first round, then twice as long in each further round, up to 4 minutes. */
function patienceMs(tries: number, candidates: number): number {
  const round = Math.floor(Math.max(0, tries - 1) / Math.max(1, candidates));
  return Math.min(tryMs * 2 ** Math.min(round, 8), longestTryMs);
}
