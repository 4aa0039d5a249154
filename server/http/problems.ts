/**
 * The only place where errors become HTTP: RFC 9457 problem details with a stable `code`. What is not a `WarrenError` is
 * a bug of ours: it is logged whole and answered without any detail.
 */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import type { Problem } from '../../shared/api/route.ts';
import { type ErrorCode, WarrenError, errorKinds } from '../../shared/errors.ts';

export const problemType = 'application/problem+json';

export function makeProblem(error: WarrenError, requestId?: string): Problem {
  const { status, title } = errorKinds[error.code];
  const isOurs = error.code === 'internal';
  return {
    type: `urn:warren:error:${error.code}`,
    title,
    status,
    code: error.code,
    detail: isOurs ? 'the server failed; its log tells more under this request id' : error.message,
    ...(error.field === undefined || isOurs ? {} : { field: error.field }),
    ...(requestId === undefined ? {} : { requestId }),
  };
}

/** Fastify's error handler: every error of hooks, parsers, validation and handlers ends here. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const known = toWarrenError(error);
  if (known.status >= 500 && known.code !== 'draining') request.log.error({ err: error }, 'request failed');
  else request.log.debug({ code: known.code, detail: known.message }, 'request refused');
  const problem = makeProblem(known, request.id);
  // Set here too, because errors of the framework itself come before the hooks.
  reply.header('x-request-id', request.id);
  if (known.status === 401) reply.header('www-authenticate', 'Bearer realm="warren"');
  if (known.code === 'draining') reply.header('retry-after', '1');
  reply.code(problem.status).header('content-type', problemType).send(JSON.stringify(problem));
}

/** A whole response for sockets that never became a request. */
export function rawProblem(error: WarrenError): string {
  const body = JSON.stringify(makeProblem(error));
  const { status, title } = errorKinds[error.code];
  return (
    `HTTP/1.1 ${status} ${title}\r\ncontent-type: ${problemType}\r\n` +
    `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`
  );
}

export function toWarrenError(error: unknown): WarrenError {
  if (error instanceof WarrenError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) return validationError(error);
  const { code = '', statusCode } = error as Partial<FastifyError>;
  const known = frameworkCodes[code];
  if (known !== undefined) return new WarrenError(known.code, known.message, { cause: error });
  // What fastify or the JSON parser throws for bad input carries a 4xx status; its message may repeat the input.
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new WarrenError('request-invalid', 'the request cannot be read; send well-formed HTTP and JSON', {
      cause: error,
    });
  }
  return new WarrenError('internal', error instanceof Error ? error.message : String(error), { cause: error });
}

const frameworkCodes: Readonly<Record<string, { code: ErrorCode; message: string } | undefined>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'body-too-large', message: 'the body is larger than this operation takes' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'media-type-unsupported',
    message: "send the body as 'content-type: application/json'",
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: { code: 'request-invalid', message: 'the body is empty; send a JSON object' },
  FST_ERR_CTP_INVALID_JSON_BODY: { code: 'request-invalid', message: 'the body is not JSON' },
  FST_ERR_BAD_URL: { code: 'request-invalid', message: 'the path has a broken percent encoding' },
  FST_ERR_MAX_PARAM_LENGTH: { code: 'not-found', message: 'there is nothing at this path' },
};

interface Validation {
  readonly validation: readonly { readonly instancePath: string; readonly message?: string | undefined }[];
  readonly validationContext?: string;
}

function validationError(error: Validation): WarrenError {
  const first = error.validation[0];
  const where = error.validationContext === 'querystring' ? 'query' : (error.validationContext ?? 'request');
  const field = `${where}${first?.instancePath ?? ''}`;
  return new WarrenError('request-invalid', `${field}: ${first?.message ?? 'not valid'}`, { field });
}
