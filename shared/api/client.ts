/**
 * Calls declared operations over any transport. Problems become `WarrenError` again, so callers handle one kind of error
 * whether the fault was found here or on the server. Knows nothing of sockets or TLS: `send` does that.
 */
import type { z } from 'zod';
import { type ErrorCode, WarrenError, isErrorCode } from '../errors.ts';
import { type Operation, type PageQuery, hasReply, problemSchema } from './route.ts';

export interface HttpRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
}

export type Send = (request: HttpRequest) => Promise<HttpReply>;

export interface CallInput<Op extends Operation> {
  readonly params?: z.input<Op['params']>;
  readonly query?: z.input<Op['query']>;
  readonly body?: z.input<Op['body']>;
  /** Makes a retried POST safe: the second call gets the first one's answer. */
  readonly idempotencyKey?: string;
  /** Version of what was read; the update is refused when it changed since. */
  readonly ifMatch?: number;
}

export type Call = <Op extends Operation>(op: Op, input?: CallInput<Op>) => Promise<z.output<Op['reply']>>;

/** Throws what the server's problem says, `unreachable` from `send`, or `internal` for an answer off the schema. */
export function createCall(send: Send): Call {
  return async <Op extends Operation>(op: Op, input: CallInput<Op> = {}): Promise<z.output<Op['reply']>> => {
    const reply = await send(buildRequest(op, input));
    if (reply.status >= 400) throw problemError(reply);
    return readReply(op, reply) as z.output<Op['reply']>;
  };
}

function readReply(op: Operation, reply: HttpReply): unknown {
  if (!hasReply(op)) return undefined;
  const parsed = op.reply.safeParse(parseJson(reply.body));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('/') ?? '';
  throw new WarrenError('internal', `the server's answer to ${op.id} is wrong at '${where}': ${issue?.message ?? ''}`);
}

/** Every item of a list, page by page. */
export async function* everyItem<Item>(
  page: (query: Pick<PageQuery, 'cursor'>) => Promise<{ items: Item[]; nextCursor: string | null }>,
): AsyncGenerator<Item> {
  let cursor: string | null = null;
  do {
    const reply: { items: Item[]; nextCursor: string | null } = await page(cursor === null ? {} : { cursor });
    yield* reply.items;
    cursor = reply.nextCursor;
  } while (cursor !== null);
}

export function buildPath(op: Operation, params: unknown, query: unknown): string {
  const values = (params ?? {}) as Record<string, string>;
  const path = op.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ''));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries((query ?? {}) as Record<string, string | number | undefined>)) {
    if (value !== undefined) search.set(name, String(value));
  }
  const text = search.toString();
  return text === '' ? path : `${path}?${text}`;
}

function buildRequest(op: Operation, input: CallInput<Operation>): HttpRequest {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (input.body !== undefined) headers['content-type'] = 'application/json';
  if (input.idempotencyKey !== undefined) headers['idempotency-key'] = input.idempotencyKey;
  if (input.ifMatch !== undefined) headers['if-match'] = `"${input.ifMatch}"`;
  return {
    method: op.method,
    path: buildPath(op, input.params, input.query),
    headers,
    body: input.body === undefined ? undefined : JSON.stringify(input.body),
  };
}

export function problemError(reply: HttpReply): WarrenError {
  const problem = problemSchema.safeParse(parseJson(reply.body));
  if (!problem.success)
    return new WarrenError('internal', `the server answered ${reply.status} without a problem body`);
  const code: ErrorCode = isErrorCode(problem.data.code) ? problem.data.code : 'internal';
  return new WarrenError(code, problem.data.detail, { field: problem.data.field });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
