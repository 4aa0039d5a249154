/** What is wrong now and since when. A failure is the same one while its kind and subject are. Pure. */
import type { Failure } from '../shared/api/report.ts';
import { timeOf } from './clock.ts';

export type Fault = Pick<Failure, 'kind' | 'subject' | 'why'>;

/** Answers today's faults with the time each began; longest standing first. */
export function trackFailures(before: readonly Failure[], faults: readonly Fault[], now: number): Failure[] {
  const since = new Map(before.map((failure) => [keyOf(failure), failure.since]));
  const found = new Map<string, Failure>();
  for (const fault of faults) {
    const { kind, subject, why } = { ...fault, subject: cut(fault.subject, 128), why: cut(fault.why, 512) };
    const key = keyOf({ kind, subject });
    if (!found.has(key)) found.set(key, { kind: cut(kind, 64), subject, why, since: since.get(key) ?? timeOf(now) });
  }
  return [...found.values()].sort((a, b) => (a.since < b.since ? -1 : a.since > b.since ? 1 : 0));
}

const keyOf = ({ kind, subject }: Pick<Fault, 'kind' | 'subject'>): string => `${kind}\n${subject}`;

const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
