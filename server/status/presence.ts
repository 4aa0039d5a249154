/** Since when hosts are without a feed, from what the feed tells; holds only hosts that had one. */
import type { HostId } from '../../shared/names.ts';
import type { Feed } from '../feed/feed.ts';

export interface Presence {
  /** Undefined while the host holds a feed; the start of watching for one that never had one. */
  offlineSince(hostId: HostId): number | undefined;
  forget(hostId: HostId): void;
  stop(): void;
}

export function watchPresence(feed: Feed, now: () => number, onBack: (hostId: HostId) => void): Presence {
  const startedAt = now();
  const since = new Map<HostId, number>();
  const stop = feed.onPresence((hostId, isOnline) => {
    if (isOnline) since.delete(hostId);
    else since.set(hostId, now());
    if (isOnline) onBack(hostId);
  });
  return {
    offlineSince: (hostId) => (feed.isOnline(hostId) ? undefined : (since.get(hostId) ?? startedAt)),
    forget: (hostId) => void since.delete(hostId),
    stop,
  };
}
