/** The fastify instance as this server uses it: over TLS, logging through pino. */
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { Principal } from './handler.ts';
import type { Operation } from '../../shared/api/route.ts';

export type App = FastifyInstance<Server, IncomingMessage, ServerResponse>;

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before anything of a request but its headers is read. */
    principal: Principal;
  }

  interface FastifyContextConfig {
    /** The declaration behind the route. A route without one is refused at start. */
    op?: Operation;
  }
}
