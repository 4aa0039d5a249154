/**
 * The OpenAPI 3.1 document, made of the declarations in `shared/api/`. What a declaration implies for every operation of
 * its kind (security, problems, headers) is added here, so that it stands in the document without being repeated there.
 */
import swagger from '@fastify/swagger';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { type Access, type Operation, problemSchema } from '../../shared/api/route.ts';
import { problemType } from './problems.ts';
import type { App } from './app-type.ts';

/** The parts of the document that are read or written here. */
export interface OpenApiDocument {
  openapi: string;
  info: { title: string; version: string; description?: string };
  components: {
    schemas?: Record<string, unknown>;
    parameters?: unknown;
    responses?: unknown;
    securitySchemes?: unknown;
  };
  paths: Record<string, Record<string, OpenApiOperation>>;
}

export interface OpenApiOperation {
  operationId: string;
  summary: string;
  tags?: string[];
  description?: string;
  security?: Record<string, string[]>[];
  parameters?: { name?: string; in?: string; required?: boolean; schema?: unknown; $ref?: string }[];
  requestBody?: unknown;
  responses: Record<string, unknown>;
}

export async function registerOpenApi(app: App, version: string, operations: readonly Operation[]): Promise<void> {
  const byId = new Map(operations.map((op) => [op.id, op]));
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Warren', version, description },
    },
    transform: jsonSchemaTransform,
    transformObject: (input) =>
      complete(('openapiObject' in input ? input.openapiObject : input) as unknown as OpenApiDocument, byId) as never,
  });
}

const description =
  'Coordination server of a Warren mesh. Errors are RFC 9457 problems with a stable `code`; times are RFC 3339 in UTC; ' +
  'lists answer `{items, nextCursor}` and take `limit` and `cursor`.';

const securitySchemes = {
  apiKey: { type: 'http', scheme: 'bearer', description: 'An API key, `wrn_<id>_<secret>`.' },
  hostCertificate: { type: 'mutualTLS', description: "The host's client certificate, issued at enrollment." },
} as const;

function complete(document: OpenApiDocument, byId: ReadonlyMap<string, Operation>): OpenApiDocument {
  document.components ??= {};
  document.components.schemas = { ...document.components.schemas, Problem: z.toJSONSchema(problemSchema) };
  document.components.securitySchemes = securitySchemes;
  document.components.parameters = parameters;
  document.components.responses = {
    Problem: {
      description: 'A problem; `code` says which.',
      content: { [problemType]: { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  };
  for (const operations of Object.values(document.paths)) {
    for (const operation of Object.values(operations)) {
      const op = byId.get(operation.operationId);
      if (op !== undefined) completeOperation(operation, op);
    }
  }
  return document;
}

const parameters = {
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description: 'Makes a retry safe: the same request again within a day gets the first answer again.',
    schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,128}$' },
  },
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    required: false,
    description: 'The `ETag` of what was read; the change is refused when it is another one by now.',
    schema: { type: 'string', examples: ['"3"'] },
  },
};

function completeOperation(operation: OpenApiOperation, op: Operation): void {
  operation.security = securityOf(op.access);
  operation.description = accessText[op.access];
  const added: { $ref: string }[] = [];
  if (takesIdempotencyKey(op)) added.push({ $ref: '#/components/parameters/IdempotencyKey' });
  if (op.isConditional) added.push({ $ref: '#/components/parameters/IfMatch' });
  if (added.length > 0) operation.parameters = [...(operation.parameters ?? []), ...added];
  if (op.status === 204) {
    operation.responses = isStream(op) ? { 200: streamResponse } : { 204: { description: 'Done.' } };
  }
  for (const status of problemStatuses(op)) operation.responses[status] = { $ref: '#/components/responses/Problem' };
}

export const takesIdempotencyKey = (op: Operation): boolean =>
  op.method !== 'GET' && op.access !== 'enroll' && op.access !== 'public';

const streamResponse = {
  description: 'Server-sent events until one side closes.',
  content: { 'text/event-stream': { schema: { type: 'string' } } },
};

/** A GET that declares no reply answers with a stream. */
const isStream = (op: Operation): boolean => op.method === 'GET' && op.status === 204;

function securityOf(access: Access): Record<string, string[]>[] {
  if (access === 'public' || access === 'enroll') return [];
  return access === 'agent' ? [{ hostCertificate: [] }] : [{ apiKey: [] }];
}

const accessText: Readonly<Record<Access, string>> = {
  public: 'Open to anyone.',
  enroll: 'Open to whoever holds an enrollment token.',
  read: 'Needs an API key of scope `read` or more.',
  operator: 'Needs an API key of scope `operator` or more.',
  admin: 'Needs an API key of scope `admin`.',
  agent: 'Needs the client certificate of a host.',
};

function problemStatuses(op: Operation): string[] {
  const statuses = ['400', '429', 'default'];
  if (securityOf(op.access).length > 0 || op.access === 'enroll') statuses.push('401');
  if (securityOf(op.access).length > 0) statuses.push('403');
  if (op.path.includes('{')) statuses.push('404');
  if (op.method !== 'GET') statuses.push('409', '413', '415');
  if (op.isConditional) statuses.push('412');
  if (takesIdempotencyKey(op)) statuses.push('422');
  return statuses.sort();
}
