/** When something is due between two hosts of a pair. Pure; milliseconds. */
import type { Pair, Role } from './pair.ts';

/** A host that is new to a large mesh agrees with all its peers, and each agreement takes both of them a pass or two. */
export const firstSpread = (peers: number): number => Math.min(60_000, peers * 300);

/** A handshake that the new key was in begins after it: a message under way may be this old (REKEY_TIMEOUT). */
const settledMs = 5_000;
/**
 * WireGuard asks for new keys at 120 s of a session's age, again every 5 s, and ends it at 180 s. The other key is tried
 * while there is time left; by one side before the other, so that two who both try do not pass each other.
 */
const staleMs = { offerer: 150_000, answerer: 168_000 } as const;
/** So long each of the two is tried. */
const tryMs = { offerer: 12_000, answerer: 29_000 } as const;
const firstAskMs = 300;
const longestAskMs = 15_000;
const settledAskMs = 300_000;
/** What was agreed on with a host that is not in the map is kept so long. */
export const absenceMs = 24 * 3600_000;

export const isHandshakeProof = (handshakeAt: number, since: number): boolean => handshakeAt >= since + settledMs;

/** `triedAt`: when the key in use was last another one. */
export function isOtherDue(role: Role, handshakeAt: number, triedAt: number, now: number): boolean {
  return now - handshakeAt >= staleMs[role] && now - triedAt >= tryMs[role];
}

/** How long until an offerer is to renew. Spread over a fifth of the time, by the key's name. */
export function renewalIn({ set, held }: Pair, takenAt: number, renewMs: number, now: number): number {
  if (held !== undefined) return Infinity;
  // Also where the clock was set back.
  if (set === undefined || takenAt > now + renewMs) return 0;
  const share = Number.parseInt(set.slice(0, 4), 16) / 0x10000;
  return Math.max(0, takenAt + renewMs * (0.9 + 0.2 * share) - now);
}

/** How long to the next question after one that may be lost. */
export function askAfter(pair: Pair, isDue: boolean, tries: number, random: number): number {
  if (pair.held === undefined && !isDue && tries > 8) return settledAskMs * (0.9 + 0.2 * random);
  return Math.min(longestAskMs, firstAskMs * 2 ** Math.min(tries, 8)) * (0.9 + 0.2 * random);
}

export const settledFor = (random: number): number => settledAskMs * (0.9 + 0.2 * random);
