/**
 * How an operation of the API is declared: once, here in `shared/api/`, and then served by the server and called by the
 * client. The declaration says who may call it, so a route without a decision on access cannot be written.
 */
import { z } from 'zod';

/** Who may call: anyone; an API key of at least that scope; an agent by its client certificate. */
export type Access = 'public' | 'read' | 'operator' | 'admin' | 'agent' | 'enroll';

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

export interface Operation<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Reply extends z.ZodType = z.ZodType,
> {
  /** Stable operation id, `<noun>.<verb>`; also the audit action of a mutation. */
  readonly id: string;
  readonly method: Method;
  /** Path with `{name}` parameters, as OpenAPI writes it. */
  readonly path: string;
  readonly access: Access;
  readonly summary: string;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly reply: Reply;
  /** HTTP status of success. */
  readonly status: 200 | 201 | 204;
  /** True where `If-Match` is honoured. */
  readonly isConditional: boolean;
}

const none = z.strictObject({});
const nothing = z.undefined();
type None = typeof none;
type Nothing = typeof nothing;

export function operation<
  Params extends z.ZodType = None,
  Query extends z.ZodType = None,
  Body extends z.ZodType = Nothing,
  Reply extends z.ZodType = Nothing,
>(declared: {
  id: string;
  method: Method;
  path: string;
  access: Access;
  summary: string;
  params?: Params;
  query?: Query;
  body?: Body;
  reply?: Reply;
  status?: 200 | 201 | 204;
  isConditional?: boolean;
}): Operation<Params, Query, Body, Reply> {
  return {
    params: none as unknown as Params,
    query: none as unknown as Query,
    body: nothing as unknown as Body,
    reply: nothing as unknown as Reply,
    status: declared.reply === undefined ? 204 : 200,
    isConditional: false,
    ...declared,
  };
}

export const hasBody = (op: Operation): boolean => op.body !== (nothing as z.ZodType);
export const hasReply = (op: Operation): boolean => op.reply !== (nothing as z.ZodType);

/** RFC 3339 in UTC, milliseconds. */
export const timeSchema = z.iso
  .datetime({ offset: false, precision: 3 })
  .meta({ examples: ['2026-11-23T16:33:00.000Z'] });

export const pageQuerySchema = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().max(200).optional(),
});
export type PageQuery = z.infer<typeof pageQuerySchema>;

/** A list answers `{items, nextCursor}`; `nextCursor` is null on the last page. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.strictObject({ items: z.array(item), nextCursor: z.string().nullable() });
}

/** RFC 9457 problem details, the body of every error. */
export const problemSchema = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  /** Path of the field that is wrong, where there is one. */
  field: z.string().optional(),
  requestId: z.string().optional(),
});
export type Problem = z.infer<typeof problemSchema>;
