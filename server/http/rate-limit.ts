/**
 * Slows down who guesses secrets: failed attempts are counted per remote address, and beyond the limit the answer is 429.
 * Requests that succeed are neither counted nor limited, so one machine with a wrong token never locks out its site.
 */
import rateLimit from '@fastify/rate-limit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { WarrenError } from '../../shared/errors.ts';
import { remoteAddressOf } from './address.ts';
import type { App } from './app-type.ts';

export interface FailureLimiter {
  /** Counts one failure and answers the error to send: `error` itself, or `rate-limited` beyond the limit. */
  count(error: WarrenError, request: FastifyRequest, reply: FastifyReply): Promise<WarrenError>;
}

export interface FailureLimits {
  readonly maxFailures: number;
  readonly windowSeconds: number;
}

export const defaultLimits: FailureLimits = { maxFailures: 30, windowSeconds: 60 };

export async function registerFailureLimiter(app: App, limits: FailureLimits): Promise<FailureLimiter> {
  await app.register(rateLimit, { global: false, cache: 10_000 });
  const attempt = app.createRateLimit({
    max: limits.maxFailures,
    timeWindow: limits.windowSeconds * 1000,
    keyGenerator: (request: FastifyRequest) => remoteAddressOf(request.raw.socket),
    // Whoever has one IPv6 address has a whole /64.
    ipv6Subnet: 64,
  });
  return {
    async count(error, request, reply) {
      const limit = await attempt(request);
      if (limit.isAllowed || !limit.isExceeded) return error;
      reply.header('retry-after', String(Math.max(1, limit.ttlInSeconds)));
      return new WarrenError(
        'rate-limited',
        `too many failed attempts from this address; wait ${limit.ttlInSeconds} s and use valid credentials`,
        { cause: error },
      );
    },
  };
}
