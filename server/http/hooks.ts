/** What happens to every request, whichever route it finds: its id goes back, its time is counted. */
import type { Metrics } from '../status/metrics.ts';
import type { App } from './app-type.ts';

export function registerHooks(app: App, metrics: Metrics): void {
  app.decorateRequest('principal');
  app.addHook('onRequest', (request, reply, done) => {
    request.principal = { kind: 'anonymous', actor: 'anonymous' };
    reply.header('x-request-id', request.id);
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const operation = request.routeOptions.config?.op?.id ?? 'none';
    const { method, principal } = request;
    const { statusCode: status, elapsedTime } = reply;
    metrics.observeRequest({ operation, method, status, seconds: elapsedTime / 1000 });
    request.log.debug({ operation, actor: principal.actor, status, milliseconds: elapsedTime }, 'request answered');
    done();
  });
}
