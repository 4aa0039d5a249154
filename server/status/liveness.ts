/**
 * When a host counts as gone: one that carries subnets, so that the next one takes them over, and one that runs workloads,
 * so that they leave names and published ports. Pure: times are arguments, ms. A wrong verdict moves traffic, so anything
 * that could be the server's own fault (a fresh start, a stall, a wire that is cut for many at once) is patience.
 */

/** Without a feed for longer than this, a host is gone. A reconnect after a dropped connection takes less. */
export const offlineMs = 6_000;
/** Three missed reports of a host that reports every five seconds, and a little. */
export const silentMs = 16_000;
/** After a start the agents must find the server again first. */
export const graceMs = 30_000;
/** An ephemeral host that stays away longer than this is removed. */
export const ephemeralMs = 10 * 60_000;

/** Seconds between reports: often where a silence moves subnets, seldom where it only shows in status. */
export const reportSeconds = { carrier: 5, other: 60 } as const;

/** Of hosts with workloads, so that all of them together report 40 times a second at most: a tenth of a core. */
export const runnerSeconds = (streams: number): number =>
  Math.min(Math.max(Math.ceil(streams / 40), reportSeconds.carrier), reportSeconds.other);

/** How long a host may be without a feed, or without a report. */
export interface Patience {
  readonly offlineMs: number;
  readonly silentMs: number;
}

export const carrierPatience: Patience = { offlineMs, silentMs };

/** An agent that is started anew, or upgraded, takes less than ten seconds; its containers run on meanwhile. */
export const runnerPatience = (streams: number): Patience => ({
  offlineMs: 10_000,
  silentMs: 3_000 * runnerSeconds(streams) + 1_000,
});

/** Verdicts of one turn on hosts that only run workloads: one record for each goes to everybody. */
export const mostPerTurn = 20;
/** Where many fall silent together it is more likely the server's own wire: they get this much longer. */
export const crowdMs = 30_000;
export const isCrowd = (silent: number, watched: number): boolean => silent > Math.max(2, watched / 3);

export interface Signs {
  readonly now: number;
  /** When the server began to watch: its start, or the end of a stall. */
  readonly watchingSince: number;
  /** When the host began to carry subnets; what it did before says nothing, it had no reason to hurry. */
  readonly carryingSince: number;
  /** Undefined while the host holds a feed. */
  readonly offlineSince: number | undefined;
  /** Undefined when it did not report since the server started. */
  readonly reportedAt: number | undefined;
}

/** The verdict, given the last one. Coming back needs a feed and a fresh report, and waits for nothing else. */
export function isGone(signs: Signs, wasGone: boolean, patience: Patience = carrierPatience): boolean {
  const { offlineMs, silentMs } = patience;
  const { now, watchingSince, carryingSince, offlineSince } = signs;
  const isPresent = offlineSince === undefined && now - (signs.reportedAt ?? -Infinity) <= silentMs;
  if (isPresent) return false;
  if (wasGone) return true;
  if (now - watchingSince < graceMs) return false;
  const from = Math.max(watchingSince, carryingSince);
  const isOffline = offlineSince !== undefined && now - Math.max(offlineSince, from) > offlineMs;
  return isOffline || now - Math.max(signs.reportedAt ?? -Infinity, from) > silentMs;
}

/** True when an ephemeral host has been away long enough to be removed. `lastSeenAt` is undefined before any report. */
export function isAbandoned(signs: {
  readonly now: number;
  readonly watchingSince: number;
  readonly isOnline: boolean;
  readonly lastSeenAt: number | undefined;
  readonly enrolledAt: number;
}): boolean {
  if (signs.isOnline) return false;
  const lastSign = Math.max(signs.lastSeenAt ?? -Infinity, signs.enrolledAt, signs.watchingSince);
  return signs.now - lastSign > ephemeralMs;
}
