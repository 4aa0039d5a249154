/** The `Idempotency-Key` header: what it may be, and what makes two requests the same. */
import { WarrenError } from '../../shared/errors.ts';
import type { IdempotencyScope } from '../store/idempotency.ts';
import type { ReadContext } from './handler.ts';
import type { Operation } from '../../shared/api/route.ts';

/** Undefined when the header is missing. Throws `request-invalid`. */
export function idempotencyScope(
  header: string | readonly string[] | undefined,
  op: Operation,
  ctx: Omit<ReadContext, 'deps'>,
): IdempotencyScope | undefined {
  if (header === undefined) return undefined;
  if (typeof header !== 'string' || !/^[\x21-\x7e]{1,128}$/.test(header)) {
    throw new WarrenError('request-invalid', 'Idempotency-Key must be 1 to 128 printable ASCII characters, no spaces', {
      field: 'idempotency-key',
    });
  }
  const request = JSON.stringify([op.id, ctx.params, ctx.query, ctx.body ?? null, ctx.ifMatch ?? null]);
  return { actor: ctx.principal.actor, key: header, request };
}
