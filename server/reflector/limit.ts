/**
 * How many answers go out in a second: to one source, which may be somebody whose address another one writes into asks,
 * and in all, which bounds both work and memory. Pure; time is an argument.
 */
import { type Address, addressValue } from '../../shared/net/address.ts';

export interface ReflectorLimits {
  readonly perSource: number;
  readonly inAll: number;
}

/** Hosts behind one NAT are one source; each asks every 25 s, and a few times in the first seconds. */
export const defaultLimits: ReflectorLimits = { perSource: 100, inAll: 20_000 };

const windowMs = 1000;

/** True when one more answer may go to `source` now, `now` in milliseconds of a clock that never goes back. */
export function createLimit({ perSource, inAll }: ReflectorLimits): (source: Address, now: number) => boolean {
  const counts = new Map<string, number>();
  let since = -Infinity;
  let all = 0;
  return (source, now) => {
    if (now - since >= windowMs) {
      counts.clear();
      all = 0;
      since = now;
    }
    const key = siteOf(source);
    const count = counts.get(key) ?? 0;
    if (count >= perSource || all >= inAll) return false;
    counts.set(key, count + 1);
    all += 1;
    return true;
  };
}

/** Whoever has one IPv6 address has its whole /64. */
function siteOf(source: Address): string {
  const { family, value } = addressValue(source);
  return family === 4 ? source : `${(value >> 64n).toString(16)}/64`;
}
