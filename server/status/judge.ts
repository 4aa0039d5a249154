/**
 * The verdict on each host that others depend on, once a turn. All that changed for the worse go in one revision. Of
 * hosts that only run workloads a few go at a time, and a crowd of them later: when the server's own wire is cut, everybody
 * is silent, and a record of each would go to each.
 */
import type { HostId } from '../../shared/names.ts';
import type { Deps } from '../deps.ts';
import type { Carrier } from '../store/carriers.ts';
import { markBack, markGone } from './gone.ts';
import { type Patience, carrierPatience, crowdMs, isCrowd, isGone, mostPerTurn, runnerPatience } from './liveness.ts';
import type { Presence } from './presence.ts';

export interface Watched extends Carrier {
  readonly isRunning: boolean;
}

/** Carriers, hosts with workloads, and those found gone before. */
export function watchedHosts(carriers: readonly Carrier[], runners: ReadonlySet<HostId>): Watched[] {
  const carrying = new Set(carriers.map(({ id }) => id));
  const others = [...runners].filter((id) => !carrying.has(id));
  return [
    ...carriers.map((one) => ({ ...one, isRunning: runners.has(one.id) })),
    ...others.map((id) => ({ id, isGone: false, isCarrying: false, isRunning: true })),
  ];
}

export type Judge = (hosts: readonly Watched[], presence: Presence, watchingSince: number) => Promise<void>;

export function createJudge(deps: Deps): Judge {
  const since = new Map<HostId, number>();
  /** Not active any more, as of their last report. */
  const dismissed = new Map<HostId, number | undefined>();
  let crowdedSince: number | undefined;
  return async (hosts, presence, watchingSince) => {
    const now = deps.clock.now();
    noteSince(since, hosts, now);
    for (const id of dismissed.keys()) if (!since.has(id)) dismissed.delete(id);
    const gone: HostId[] = [];
    const silent: HostId[] = [];
    const patience = runnerPatience(deps.feed.peakCount());
    for (const host of hosts) {
      const reportedAt = deps.live.host(host.id)?.seenAt;
      if (dismissed.has(host.id) && dismissed.get(host.id) === reportedAt) continue;
      dismissed.delete(host.id);
      const signs = {
        now,
        watchingSince,
        carryingSince: since.get(host.id) ?? now,
        offlineSince: presence.offlineSince(host.id),
        reportedAt,
      };
      const isWatched = host.isCarrying || host.isRunning;
      const verdict = isWatched && isGone(signs, host.isGone, patienceFor(host, patience));
      if (verdict && !host.isGone) (host.isCarrying ? gone : silent).push(host.id);
      if (!verdict && host.isGone) await markBack(deps, host.id);
    }
    const watched = hosts.filter(({ isRunning, isCarrying, isGone }) => isRunning && !isCarrying && !isGone).length;
    crowdedSince = isCrowd(silent.length, watched) ? (crowdedSince ?? now) : undefined;
    if (crowdedSince === undefined || now - crowdedSince > crowdMs) gone.push(...silent.slice(0, mostPerTurn));
    if (gone.length === 0) return;
    const marked = new Set(await markGone(deps, gone));
    for (const id of gone) if (!marked.has(id)) dismissed.set(id, deps.live.host(id)?.seenAt);
  };
}

const patienceFor = ({ isCarrying }: Watched, runners: Patience): Patience => (isCarrying ? carrierPatience : runners);

/** Since when each is watched; what it did before says nothing, it had no reason to hurry. */
function noteSince(since: Map<HostId, number>, hosts: readonly Watched[], now: number): void {
  const ids = new Set(hosts.filter(({ isCarrying, isRunning }) => isCarrying || isRunning).map(({ id }) => id));
  for (const id of since.keys()) if (!ids.has(id)) since.delete(id);
  for (const id of ids) if (!since.has(id)) since.set(id, now);
}
