/**
 * Builds the HTTPS application: limits, hooks and routes. It is handed everything it uses and listens to nothing by
 * itself, so that a test may start several. What a route does stands in `routes/`; who may call it in `http/auth.ts`.
 */
import { randomBytes } from 'node:crypto';
import type { ServerOptions } from 'node:https';
import helmet from '@fastify/helmet';
import fastify, { type FastifyServerOptions, LogController } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { operations } from '../shared/api/index.ts';
import type { Deps } from './deps.ts';
import { createAuth } from './http/auth.ts';
import { answerClientError } from './http/client-error.ts';
import type { App } from './http/app-type.ts';
import type { Route } from './http/handler.ts';
import { registerHooks } from './http/hooks.ts';
import { checkInventory, refuseUndeclared } from './http/inventory.ts';
import { createKeyUse } from './http/key-use.ts';
import { answerUnknown } from './http/not-found.ts';
import { type OpenApiDocument, registerOpenApi } from './http/openapi.ts';
import { sendProblem } from './http/problems.ts';
import { type FailureLimits, defaultLimits, registerFailureLimiter } from './http/rate-limit.ts';
import { defaultBodyLimit, serveRoute } from './http/serve.ts';
import { tlsOptions } from './pki/tls.ts';
import { type OpenStreams, createOpenStreams } from './http/stream.ts';
import type { ServerCredentials } from './pki/signer.ts';
import { createDocsRoutes } from './web/docs-routes.ts';

export interface BuiltApp {
  readonly app: App;
  readonly streams: OpenStreams;
}

export interface AppOptions {
  readonly routes: readonly Route[];
  readonly credentials: ServerCredentials;
  readonly limits?: FailureLimits;
}

/** Throws `internal` when a declared operation is served never or twice, or a route has no declaration. */
export async function buildApp(deps: Deps, options: AppOptions): Promise<BuiltApp> {
  const app = createFastify(deps, options.credentials);
  const document = (): OpenApiDocument => app.swagger() as unknown as OpenApiDocument;
  const routes = [...options.routes, ...createDocsRoutes(document)];
  checkInventory(operations, routes);
  refuseUndeclared(app);
  app.setErrorHandler(sendProblem);
  app.setNotFoundHandler(answerUnknown(routes.map((route) => route.op)));
  registerHooks(app, deps.metrics);
  await app.register(helmet, security);
  await registerOpenApi(app, deps.version, operations);
  const limiter = await registerFailureLimiter(app, options.limits ?? defaultLimits);
  const auth = createAuth(deps, createKeyUse(deps));
  const streams = createOpenStreams(deps, auth);
  for (const route of routes) serveRoute(app, route, { deps, auth, limiter, streams });
  app.addHook('onClose', () => streams.stop());
  await app.ready();
  return { app, streams };
}

function createFastify(deps: Deps, credentials: ServerCredentials): App {
  const https: ServerOptions = {
    ...tlsOptions(deps, credentials),
    // Node checks slow senders by these two together with `requestTimeout`; it takes the larger one of a pair.
    headersTimeout: 10_000,
    requestTimeout: 20_000,
    connectionsCheckingInterval: 1000,
    // When 10,000 agents come back at once, the last of them waits half a minute for its turn.
    handshakeTimeout: 60_000,
  };
  const options: FastifyServerOptions & { https: ServerOptions } = {
    https,
    loggerInstance: deps.log.child({ part: 'http' }),
    logController: new LogController({ disableRequestLogging: true }),
    requestIdHeader: false,
    genReqId: (request) => requestId(request.headers['x-request-id']),
    trustProxy: false,
    bodyLimit: defaultBodyLimit,
    requestTimeout: 20_000,
    // An agent reports once a minute beside its feed: kept in between, its second connection would double what a mesh
    // costs in memory and file descriptors, and resuming the session later costs a millisecond.
    keepAliveTimeout: 10_000,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 200, caseSensitive: true, ignoreTrailingSlash: false },
    frameworkErrors: (error, request, reply) => sendProblem(error, request, reply),
    clientErrorHandler: answerClientError,
    forceCloseConnections: false,
    // A request on a connection that is open while the server stops is served, and `/readyz` says in our words why not.
    return503OnClosing: false,
  };
  const app = fastify(options as never) as unknown as App;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.removeContentTypeParser('text/plain');
  return app;
}

function requestId(given: string | string[] | undefined): string {
  if (typeof given === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(given)) return given;
  return `r${randomBytes(10).toString('hex')}`;
}

const security = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      styleSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
  strictTransportSecurity: { maxAge: 15_552_000, includeSubDomains: false },
  referrerPolicy: { policy: 'no-referrer' },
} as const;
