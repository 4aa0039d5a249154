/**
 * How often what one host says of its endpoints may become a revision that everybody hears of. A host that roams passes
 * at once; one whose address flaps is held back, and its next report brings what is true by then. Pure: time is an
 * argument, and what is kept is one small entry for each host that changed lately.
 */
import type { HostId } from '../../shared/names.ts';

export interface Pace {
  /** True, and counted, when a change of the host may be told now. */
  mayTell(hostId: HostId, now: number): boolean;
  forget(hostId: HostId): void;
}

/** Changes that pass at once. */
const burst = 5;
/** One more after this, ms. */
const everyMs = 10_000;

export function createPace(): Pace {
  /** When the host would have made up for all it told. */
  const settledAt = new Map<HostId, number>();
  return {
    mayTell: (hostId, now) => {
      const settled = settledAt.get(hostId) ?? now;
      // Later than a whole burst allows: the clock was set back, and must not hold the host for as long.
      const from = settled > now + burst * everyMs ? now : Math.max(settled, now);
      if (from - now > (burst - 1) * everyMs) return false;
      settledAt.set(hostId, from + everyMs);
      return true;
    },
    forget: (hostId) => void settledAt.delete(hostId),
  };
}
