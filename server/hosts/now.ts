/** What is known of a host right now: the last report where there was one since the start, else what was saved. */
import type { Deps } from '../deps.ts';
import type { StoredHost } from '../store/hosts.ts';

export interface NowOfHost {
  readonly isOnline: boolean;
  readonly seenAt: number | null;
  /** Null where the host's map is of another epoch: its revisions count something else. */
  readonly appliedRevision: number | null;
  readonly agentVersion: string | null;
}

export function nowOfHost({ feed, live, store }: Pick<Deps, 'feed' | 'live' | 'store'>, host: StoredHost): NowOfHost {
  const isOnline = feed.isOnline(host.id);
  const report = live.host(host.id);
  if (report === undefined) {
    const { lastSeenAt: seenAt, appliedRevision, agentVersion } = host;
    return { isOnline, seenAt, appliedRevision, agentVersion };
  }
  const { applied, seenAt, agentVersion } = report;
  const appliedRevision = applied?.epoch === store.position().epoch ? applied.revision : null;
  return { isOnline, seenAt, appliedRevision, agentVersion };
}
