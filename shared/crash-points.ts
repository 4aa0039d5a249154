/**
 * Places where a test lets the process die, by name. Each stands where something is half done: what was acknowledged must
 * be there after the next start, and what was not must be there whole or not at all. Nothing is armed but by the command
 * line for tests, and then a place costs one comparison.
 */
import { WarrenError } from './errors.ts';

export const crashPoints = [
  'store.before-commit',
  'store.after-commit',
  'http.before-answer',
  'migrate.before-commit',
  'migrate.after-commit',
  'backup.copied',
  'backup.checked',
  'backup.named',
  'enroll.keys-made',
  'enroll.answered',
  'enroll.certificate-saved',
  'map.before-save',
  'map.after-save',
  'apply.before-steps',
  'apply.between-steps',
  'apply.after-steps',
] as const;

export type CrashPoint = (typeof crashPoints)[number];

let armed: { readonly point: CrashPoint; left: number; readonly die: () => void } | undefined;

/** `NAME` dies the first time it gets there, `NAME:3` the third. Throws `config-invalid` for a place there is not. */
export function armCrashPoint(text: string | undefined, die: () => void): void {
  armed = undefined;
  if (text === undefined || text === '') return;
  const [name, count = '1', ...rest] = text.split(':');
  const point = crashPoints.find((known) => known === name);
  if (point === undefined || rest.length > 0 || !/^[1-9]\d{0,5}$/.test(count)) {
    throw new WarrenError(
      'config-invalid',
      `WARREN_CRASH_AT: '${text.slice(0, 64)}' is no crash point; leave it out, or use one of ${crashPoints.join(', ')}`,
    );
  }
  armed = { point, left: Number(count), die };
}

export function crashPoint(point: CrashPoint): void {
  if (armed?.point !== point) return;
  armed.left -= 1;
  if (armed.left === 0) armed.die();
}
