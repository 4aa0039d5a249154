/**
 * How many questions each asker may put: a bucket of tokens for each, so that one container cannot keep the agent from
 * everybody else's. Pure but for what it counts; times are arguments, milliseconds.
 */
export interface Allowance {
  /** False where this asker has asked too much lately. */
  take(asker: string, now: number): boolean;
}

/** What a busy host of containers asks stays far below. */
const perSecond = 500;
const atOnce = 1_000;
/** Askers remembered; the one that was heard longest ago gives way. */
const mostAskers = 4_096;

export function createAllowance(): Allowance {
  const buckets = new Map<string, { readonly tokens: number; readonly at: number }>();
  return {
    take: (asker, now) => {
      const had = buckets.get(asker) ?? { tokens: atOnce, at: now };
      const tokens = Math.min(atOnce, had.tokens + (Math.max(0, now - had.at) * perSecond) / 1_000);
      const isAllowed = tokens >= 1;
      buckets.delete(asker);
      buckets.set(asker, { tokens: isAllowed ? tokens - 1 : tokens, at: now });
      if (buckets.size > mostAskers) for (const oldest of buckets.keys()) return buckets.delete(oldest) && isAllowed;
      return isAllowed;
    },
  };
}
