/** Times as people write and read them. Pure. */
import { WarrenError } from '../../shared/errors.ts';

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** `30m`, `24h`, `90d`, or a moment in RFC 3339; answers RFC 3339 in UTC. Throws `usage-invalid`. */
export function parseExpiry(text: string, now: number): string {
  const match = /^([1-9]\d{0,5})([smhdw])$/.exec(text);
  const at = match === null ? parseMoment(text) : now + Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
  if (Number.isNaN(at)) {
    throw new WarrenError('usage-invalid', 'write --expires like 30m, 24h, 90d or 2030-01-31T12:00:00Z');
  }
  if (at <= now) throw new WarrenError('usage-invalid', '--expires lies in the past');
  return new Date(at).toISOString();
}

const parseMoment = (text: string): number =>
  /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : NaN;

/** `2026-11-23 16:33:00Z`: short, sortable, and still without doubt. */
export function shortTime(time: string | null): string | null {
  return time === null ? null : `${time.slice(0, 10)} ${time.slice(11, 19)}Z`;
}
