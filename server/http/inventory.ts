/** No route without a declaration, no declaration without its route: checked when the server starts. */
import type { Operation } from '../../shared/api/route.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { App } from './app-type.ts';
import type { Route } from './handler.ts';

/** Throws `internal` naming what is missing or served twice. */
export function checkInventory(operations: readonly Operation[], routes: readonly Route[]): void {
  const seen = new Map<string, number>();
  const count = (text: string): void => void seen.set(text, (seen.get(text) ?? 0) + 1);
  for (const { op } of routes) {
    count(op.id);
    count(`${op.method} ${op.path}`);
  }
  const twice = [...seen].filter(([, times]) => times > 1).map(([text]) => `${text} is served twice`);
  const served = new Set(routes.map((route) => route.op));
  const missing = operations.filter((op) => !served.has(op)).map((op) => `${op.id} is not served`);
  const problems = [...twice, ...missing];
  if (problems.length > 0) throw new WarrenError('internal', problems.join('; '));
}

/** Call before the first route: whoever adds one past `serveRoute` (a plugin, say) stops the start. */
export function refuseUndeclared(app: App): void {
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.op !== undefined) return;
    throw new WarrenError(
      'internal',
      `route ${String(method)} ${url} has no declaration, so nobody decided who may call it`,
    );
  });
}
