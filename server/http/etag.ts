/** Versions as entity tags: a reply with a `version` carries `ETag: "<version>"`, an update may ask for it back. */
import { WarrenError } from '../../shared/errors.ts';

/** Throws `version-mismatch` when the caller read another version than the one there is now. */
export function requireVersion(ctx: { readonly ifMatch: number | undefined }, version: number): void {
  if (ctx.ifMatch === undefined || ctx.ifMatch === version) return;
  throw new WarrenError(
    'version-mismatch',
    `you read version ${ctx.ifMatch}, it is at version ${version} now; read it again and repeat the change`,
  );
}

/** `"<version>"`, or `*` which asks for nothing more than that the thing exists. Throws `request-invalid`. */
export function parseIfMatch(header: string | undefined, isConditional: boolean): number | undefined {
  if (header === undefined || (header === '*' && isConditional)) return undefined;
  if (!isConditional) throw invalid('this operation does not honour If-Match; leave the header out');
  const match = /^"(0|[1-9]\d{0,14})"$/.exec(header);
  if (match === null) throw invalid('If-Match must be one strong entity tag as sent in ETag, for example "3"');
  return Number(match[1]);
}

/** The tag of a reply, where it has a numeric `version`. */
export function etagOf(reply: unknown): string | undefined {
  if (typeof reply !== 'object' || reply === null || !('version' in reply)) return undefined;
  return typeof reply.version === 'number' ? `"${reply.version}"` : undefined;
}

function invalid(message: string): WarrenError {
  return new WarrenError('request-invalid', message, { field: 'if-match' });
}
