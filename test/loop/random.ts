/** Chance from a seed, so that a history can be played again. Mulberry32: small, even enough, not for secrets. */

export interface Chance {
  /** 0 <= x < 1. */
  next(): number;
  /** 0 <= n < limit, whole. */
  below(limit: number): number;
  /** True with probability `p`. */
  happens(p: number): boolean;
  pick<T>(items: readonly T[]): T | undefined;
  bytes(count: number): Buffer;
}

export function chanceOf(seed: number): Chance {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    next,
    below,
    happens: (p) => next() < p,
    pick: (items) => items[below(items.length)],
    bytes: (count) => Buffer.from(Array.from({ length: count }, () => below(256))),
  };
}
