/** Paths that exist for another method answer 405 with `Allow`, all others 404. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Operation } from '../../shared/api/route.ts';
import { WarrenError } from '../../shared/errors.ts';
import { printable } from '../../shared/net/address.ts';

export function answerUnknown(operations: readonly Operation[]) {
  const known = operations.map(({ path, method }) => ({ pattern: pathPattern(path), method }));
  return (request: FastifyRequest, reply: FastifyReply): never => {
    const path = request.url.split('?', 1)[0] ?? '';
    const allowed = known.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
    if (allowed.length === 0) {
      throw new WarrenError('not-found', `there is nothing at '${printable(path)}'; /docs lists what there is`);
    }
    const allow = [...new Set(allowed)].sort().join(', ');
    reply.header('allow', allow);
    throw new WarrenError('method-not-allowed', `${printable(request.method)} is not allowed here; use ${allow}`);
  };
}

function pathPattern(path: string): RegExp {
  const literal = path.replace(/[.*+?^$()|[\]\\]/g, '\\$&');
  return new RegExp(`^${literal.replace(/\{\w+\}/g, '[^/]+')}$`);
}
