/**
 * Puts declared routes on fastify: access first, before any of the body is read; then parsing; then the handler, in a
 * transaction where it writes; then the reply, checked against its declaration.
 */
import type { TLSSocket } from 'node:tls';
import type { FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import { type Operation, hasBody, hasReply } from '../../shared/api/route.ts';
import { crashPoint } from '../../shared/crash-points.ts';
import { WarrenError } from '../../shared/errors.ts';
import { protocolHeader, protocolVersion } from '../../shared/protocol.ts';
import type { Deps } from '../deps.ts';
import { findReply, saveReply } from '../store/idempotency.ts';
import { remoteAddressOf } from './address.ts';
import type { App } from './app-type.ts';
import type { Auth } from './auth.ts';
import { etagOf, parseIfMatch } from './etag.ts';
import type { PageRoute, ReadContext, ReadRoute, Route, StreamRoute, WriteRoute } from './handler.ts';
import { idempotencyScope } from './idempotency.ts';
import { toWarrenError } from './problems.ts';
import type { FailureLimiter } from './rate-limit.ts';
import { type OpenStreams, createStreamSocket, isTaken } from './stream.ts';

export interface ServeOptions {
  readonly deps: Deps;
  readonly auth: Auth;
  readonly limiter: FailureLimiter;
  readonly streams: OpenStreams;
}

/** Bytes. A report of 256 peers and 1024 containers is the largest thing an agent sends. */
const bodyLimits: Readonly<Record<string, number>> = { 'agent.report': 1024 * 1024, 'lock.append': 1024 * 1024 };
export const defaultBodyLimit = 64 * 1024;

export function serveRoute(app: App, route: Route, options: ServeOptions): void {
  const { op } = route;
  app.route({
    method: op.method,
    url: fastifyPath(op.path),
    schema: schemaOf(route),
    bodyLimit: bodyLimits[op.id] ?? defaultBodyLimit,
    config: { op },
    onRequest: (request, reply) => admit(op, request, reply, options),
    handler: (request, reply) => answer(route, request, reply, options),
  });
}

export const fastifyPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');

function schemaOf({ op, kind }: Route): FastifySchema {
  return {
    operationId: op.id,
    summary: op.summary,
    tags: [op.id.split('.')[0] ?? op.id],
    hide: kind === 'page',
    params: op.params,
    querystring: op.query,
    ...(hasBody(op) ? { body: op.body } : {}),
    ...(hasReply(op) ? { response: { [op.status]: op.reply } } : {}),
  };
}

async function admit(op: Operation, request: FastifyRequest, reply: FastifyReply, options: ServeOptions) {
  const socket = request.raw.socket as TLSSocket;
  if (isTaken(socket)) {
    socket.destroy();
    throw new WarrenError('request-invalid', 'this connection carries a stream; open another one');
  }
  checkProtocol(op, request);
  const { authorization } = request.headers;
  try {
    request.principal = await options.auth.authenticate(op, { authorization, socket });
  } catch (error) {
    throw await slowDown(error, request, reply, options.limiter);
  }
}

async function slowDown(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  limiter: FailureLimiter,
): Promise<unknown> {
  const known = toWarrenError(error);
  return known.status === 401 ? limiter.count(known, request, reply) : error;
}

/** Only agents say which protocol they speak; this server speaks one. */
function checkProtocol(op: Operation, request: FastifyRequest): void {
  if (op.access !== 'agent' && op.access !== 'enroll') return;
  const given = request.headers[protocolHeader];
  if (given === undefined || given === String(protocolVersion)) return;
  throw new WarrenError(
    'protocol-unsupported',
    `this server speaks protocol ${protocolVersion}; install the agent that it serves under /dist/`,
  );
}

async function answer(route: Route, request: FastifyRequest, reply: FastifyReply, options: ServeOptions) {
  const { op } = route;
  if (!hasBody(op) && request.body !== undefined && request.body !== null) {
    throw new WarrenError('request-invalid', 'this operation takes no body; send none', { field: 'body' });
  }
  const ctx = contextOf(op, request, options.deps);
  try {
    switch (route.kind) {
      case 'read':
        return await answerRead(route, ctx, reply);
      case 'write':
        return await answerWrite(route, ctx, request, reply);
      case 'page':
        return await answerPage(route, ctx, reply);
      case 'stream':
        return await answerStream(route, ctx, request, reply, options.streams);
    }
  } catch (error) {
    throw op.access === 'enroll' ? await slowDown(error, request, reply, options.limiter) : error;
  }
}

function contextOf(op: Operation, request: FastifyRequest, deps: Deps): ReadContext {
  return {
    deps,
    principal: request.principal,
    params: request.params,
    query: request.query,
    body: request.body ?? undefined,
    requestId: request.id,
    remoteAddress: remoteAddressOf(request.raw.socket),
    ifMatch: parseIfMatch(request.headers['if-match'], op.isConditional),
  };
}

async function answerRead(route: ReadRoute, ctx: ReadContext, reply: FastifyReply): Promise<FastifyReply> {
  return send(route.op, serialize(route.op, await route.handle(ctx)), reply);
}

async function answerWrite(route: WriteRoute, ctx: ReadContext, request: FastifyRequest, reply: FastifyReply) {
  const { store } = ctx.deps;
  const isKnown = ctx.principal.kind !== 'anonymous';
  const scope = isKnown ? idempotencyScope(request.headers['idempotency-key'], route.op, ctx) : undefined;
  const afterCommit: (() => void)[] = [];
  const text = await store.transact(ctx.principal.actor, async (tx) => {
    const before = scope === undefined ? undefined : await findReply(tx.db, scope, tx.now);
    if (before !== undefined) {
      reply.header('idempotency-replayed', 'true');
      return before;
    }
    const value = await route.handle({ ...ctx, tx, afterCommit: (fn) => void afterCommit.push(fn) });
    const fresh = serialize(route.op, value);
    if (scope !== undefined) await saveReply(tx, scope, fresh);
    return fresh;
  });
  runAfterCommit(afterCommit, request);
  crashPoint('http.before-answer');
  return send(route.op, text, reply);
}

/** The change is durable by now, so a failure here is ours to log and not the caller's to repeat. */
function runAfterCommit(all: readonly (() => void)[], request: FastifyRequest): void {
  for (const fn of all) {
    try {
      fn();
    } catch (error) {
      request.log.error({ err: error }, 'work after a commit failed');
    }
  }
}

async function answerPage(route: PageRoute, ctx: ReadContext, reply: FastifyReply): Promise<FastifyReply> {
  const { contentType, body, headers = {} } = await route.handle(ctx);
  return reply.code(200).header('content-type', contentType).headers(headers).send(body);
}

async function answerStream(
  route: StreamRoute,
  ctx: ReadContext,
  request: FastifyRequest,
  reply: FastifyReply,
  streams: OpenStreams,
): Promise<FastifyReply> {
  if (ctx.deps.isDraining()) throw new WarrenError('draining', 'the server is stopping; connect again in a moment');
  const socket = createStreamSocket(request, reply);
  const lastEventId = request.headers['last-event-id'];
  try {
    await route.handle({ ...ctx, lastEventId: typeof lastEventId === 'string' ? lastEventId : undefined }, socket);
  } catch (error) {
    if (!socket.hasBegun) throw error;
    request.log.error({ err: error }, 'stream failed');
    socket.destroy();
    return reply;
  }
  socket.begin();
  streams.add(route.op, ctx.principal, socket);
  return reply;
}

/** Text of the reply; a reply off its declaration is a bug and must not leave, it may say more than it should. */
function serialize(op: Operation, value: unknown): string {
  if (!hasReply(op)) return '';
  const parsed = op.reply.safeParse(value);
  if (parsed.success) return JSON.stringify(parsed.data);
  const issue = parsed.error.issues[0];
  throw new WarrenError(
    'internal',
    `reply of ${op.id} is wrong at '${issue?.path.join('/') ?? ''}': ${issue?.message}`,
  );
}

function send(op: Operation, text: string, reply: FastifyReply): FastifyReply {
  reply.code(op.status).header('cache-control', 'no-store');
  if (text === '') return reply.send();
  const etag = etagOf(JSON.parse(text));
  if (etag !== undefined) reply.header('etag', etag);
  return reply.header('content-type', 'application/json; charset=utf-8').send(text);
}
