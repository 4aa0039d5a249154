/** What is known of a host right now: the last report where there was one since the start, else what was saved. */
import type { Deps } from '../deps.ts';
import type { StoredHost } from '../store/hosts.ts';

export interface NowOfHost {
  readonly isOnline: boolean;
  readonly seenAt: number | null;
  /**
   * The revision of the mesh the host stands at: revisions after its own that changed nothing hosts must know count as
   * applied. Null where its map is of another epoch: those revisions count something else.
   */
  readonly appliedRevision: number | null;
  readonly agentVersion: string | null;
  readonly containers: number;
}

export function nowOfHost({ feed, live, store }: Pick<Deps, 'feed' | 'live' | 'store'>, host: StoredHost): NowOfHost {
  const isOnline = feed.isOnline(host.id);
  const report = live.host(host.id);
  if (report === undefined) {
    const { lastSeenAt: seenAt, appliedRevision, agentVersion } = host;
    return { isOnline, seenAt, appliedRevision, agentVersion, containers: host.workloads.length };
  }
  const { applied, seenAt, agentVersion, containers } = report;
  const { epoch, revision } = store.position();
  const own = applied?.epoch === epoch ? applied.revision : null;
  const appliedRevision = own !== null && own >= feed.mapRevision() ? revision : own;
  return { isOnline, seenAt, appliedRevision, agentVersion, containers };
}
