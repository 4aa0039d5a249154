/** Lists page by page: in order of making, then id, both of which never change, so no row is skipped or told twice. */
import { WarrenError } from '../../shared/errors.ts';

export interface PageRequest {
  /** 1 to 1000. */
  readonly limit: number;
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
}

export interface Page<Item> {
  readonly items: Item[];
  readonly nextCursor: string | null;
}

export interface Place {
  readonly createdAt: number;
  readonly id: string;
}

/** Throws `request-invalid` for a cursor that no page gave. */
export function readPlace(cursor: string | undefined): Place | undefined {
  if (cursor === undefined) return undefined;
  const match = /^(\d{1,15})\.([a-z2-7]{1,32})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  if (match === null) throw notACursor();
  return { createdAt: Number(match[1]), id: match[2] ?? '' };
}

/** For lists in order of names that do not change: what stands in the cursor, by the list's own pattern. */
export function readNamePlace(cursor: string | undefined, pattern: RegExp): RegExpExecArray | undefined {
  if (cursor === undefined) return undefined;
  const match = pattern.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  if (match === null) throw notACursor();
  return match;
}

/** Makes a page of rows read with one more than `limit`; `place` is what `readNamePlace` finds again. */
export function makeNamePage<Item>(rows: readonly Item[], limit: number, place: (last: Item) => string): Page<Item> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const isLast = rows.length <= limit || last === undefined;
  return { items, nextCursor: isLast ? null : Buffer.from(place(last)).toString('base64url') };
}

/** Makes a page of rows read with `limit + 1`. */
export function makePage<Item extends Place>(rows: readonly Item[], limit: number): Page<Item> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const isLast = rows.length <= limit || last === undefined;
  return { items, nextCursor: isLast ? null : formatPlace(last) };
}

const formatPlace = ({ createdAt, id }: Place): string => Buffer.from(`${createdAt}.${id}`).toString('base64url');

const notACursor = (): WarrenError =>
  new WarrenError('request-invalid', 'cursor is not one that a page of this list gave; leave it out to start', {
    field: 'cursor',
  });
