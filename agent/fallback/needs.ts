/**
 * For which peers this host keeps a way over TLS: those it has not reached by UDP for a while, those that send to it that
 * way, and both for a while longer, because UDP that begins to work may end again. Pure but for its own memory.
 */
import type { HostId } from '../../shared/names.ts';

export interface Needs {
  /** `peers`: all of the map, true where no UDP way works; `patienceOf`: how long that is left to UDP, ms. */
  stand(peers: ReadonlyMap<HostId, boolean>, patienceOf: (peer: HostId) => number, now: number): void;
  /** The peer, one of the map, sends to this host over TLS. */
  note(peer: HostId, now: number): void;
  isWanted(peer: HostId, now: number): boolean;
}

interface Need {
  /** Since when no UDP way works. */
  since: number | undefined;
  wantedAt: number;
}

export const lingerMs = 60_000;

export function createNeeds(): Needs {
  const needs = new Map<HostId, Need>();
  return {
    stand: (peers, patienceOf, now) => {
      for (const peer of needs.keys()) if (!peers.has(peer)) needs.delete(peer);
      for (const [peer, isInNeed] of peers) {
        const need = needs.get(peer) ?? { since: undefined, wantedAt: -Infinity };
        need.since = isInNeed ? (need.since ?? now) : undefined;
        if (need.since !== undefined && now - need.since >= patienceOf(peer)) need.wantedAt = now;
        needs.set(peer, need);
      }
    },
    note: (peer, now) => {
      needs.set(peer, { since: needs.get(peer)?.since, wantedAt: now });
    },
    isWanted: (peer, now) => now - (needs.get(peer)?.wantedAt ?? -Infinity) < lingerMs,
  };
}
