/**
 * What a measurement is: named samples with a unit, and what is read off them. Pure. A figure keeps all its samples, so
 * that `--json` hides nothing; a budget is judged on one number of one figure and says which.
 */

export interface Figure {
  /** Path-like and stable, for example `data/throughput/warren`. */
  readonly name: string;
  readonly unit: string;
  readonly samples: readonly number[];
  /** What a reader must know to trust it: what is simulated, how it was taken. */
  readonly note?: string;
}

export interface Verdict {
  /** The budget in words, as `DESIGN.md` has it. */
  readonly budget: string;
  readonly limit: string;
  readonly measured: string;
  readonly outcome: 'met' | 'missed' | 'not measured';
  readonly note?: string;
}

export interface SectionResult {
  readonly section: string;
  readonly figures: readonly Figure[];
  readonly verdicts: readonly Verdict[];
  /** What was simulated and what was real. */
  readonly method: readonly string[];
}

export function figure(name: string, unit: string, samples: readonly number[], note?: string): Figure {
  return note === undefined ? { name, unit, samples } : { name, unit, samples, note };
}

/** The `q`-quantile by nearest rank; NaN of no samples. */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const rank = Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1));
  return sorted[rank] ?? NaN;
}

/** The middle sample, or the mean of the two in the middle. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const half = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(half) - 1], sorted[Math.floor(half)]];
  return low === undefined || high === undefined ? NaN : (low + high) / 2;
}

export const smallest = (samples: readonly number[]): number => samples.reduce((a, b) => Math.min(a, b), Infinity);
export const largest = (samples: readonly number[]): number => samples.reduce((a, b) => Math.max(a, b), -Infinity);

/** `a[i] / b[i]`: ratios within one round, so that a machine that slows down slows both. */
export function ratios(a: readonly number[], b: readonly number[]): number[] {
  return a.slice(0, b.length).map((value, i) => value / (b[i] ?? NaN));
}

/** What the median would be in 95 of 100 repetitions (percentile bootstrap, same numbers for the same samples). */
export function medianInterval(samples: readonly number[]): { low: number; high: number } {
  const next = seededRandom(samples.length);
  const medians = Array.from({ length: 2000 }, () =>
    median(samples.map(() => samples[Math.floor(next() * samples.length)] ?? NaN)),
  );
  return { low: quantile(medians, 0.025), high: quantile(medians, 0.975) };
}

/** mulberry32: the same reader must see the same interval for the same samples. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Three significant digits, without an exponent. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const magnitude = Math.abs(value);
  if (magnitude >= 100) return String(Math.round(value));
  if (magnitude >= 10) return value.toFixed(1);
  return magnitude >= 1 ? value.toFixed(2) : value.toFixed(3);
}

/** `median [min-max] unit`. */
export function summary({ samples, unit }: Figure): string {
  if (samples.length === 0) return 'no sample';
  const middle = `${shown(median(samples))} ${unit}`;
  return samples.length === 1 ? middle : `${middle} [${shown(smallest(samples))}-${shown(largest(samples))}]`;
}

export function atMost(budget: string, limit: number, measured: number, unit: string, note?: string): Verdict {
  return judge(budget, `<= ${shown(limit)} ${unit}`, measured, unit, measured <= limit, note);
}

export function atLeast(budget: string, limit: number, measured: number, unit: string, note?: string): Verdict {
  return judge(budget, `>= ${shown(limit)} ${unit}`, measured, unit, measured >= limit, note);
}

function judge(budget: string, limit: string, measured: number, unit: string, holds: boolean, note?: string): Verdict {
  const outcome = Number.isNaN(measured) ? 'not measured' : holds ? 'met' : 'missed';
  const verdict = {
    budget,
    limit: limit.trimEnd(),
    measured: `${shown(measured)} ${unit}`.trimEnd(),
    outcome,
  } as const;
  return note === undefined ? verdict : { ...verdict, note };
}
