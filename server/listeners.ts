/**
 * Where the server can be reached: HTTPS, the reflector, metrics. Whoever was asked for and cannot have its port stops the
 * start with the setting that changes it; what stands there by default is done without.
 */
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { WarrenError } from '../shared/errors.ts';
import type { BuiltApp } from './app.ts';
import type { ServerConfig, SocketAddress } from './config.ts';
import { type Reflector, openReflector } from './reflector/reflector.ts';
import type { Metrics } from './status/metrics.ts';
import { openMetricsListener } from './status/metrics-listener.ts';

export type Closer = () => Promise<unknown> | void;

/** Room for a whole fleet that connects at once; the system caps it at its own limit. */
const backlog = 4096;

export async function listenForHttps({ app }: BuiltApp, { host, port }: SocketAddress): Promise<number> {
  try {
    await app.listen({ host, port, backlog });
  } catch (cause) {
    throw listenError(cause, `${host}:${port}`, '--listen');
  }
  return (app.server.address() as AddressInfo).port;
}

/** A busy default port is no reason not to serve: hosts learn the same of each other, only later. */
export async function listenForReflection(
  { listen: { host }, reflector: asked }: ServerConfig,
  { port, metrics, log }: { port: number; metrics: Metrics; log: Logger },
  closers: Closer[],
): Promise<Reflector | undefined> {
  if (asked === 'off') return undefined;
  const at = typeof asked === 'object' ? asked : { host, port };
  const answered = metrics.counter('warren_reflector_answers_total', 'Answers of the reflector since the start');
  const refused = metrics.counter('warren_reflector_refused_total', 'Packets the reflector did not answer');
  try {
    const count = (isAnswered: boolean): void => (isAnswered ? answered() : refused());
    const reflector = await openReflector({ at, log: log.child({ part: 'reflector' }), count });
    closers.push(() => reflector.close());
    return reflector;
  } catch (cause) {
    const error = listenError(cause, `${at.host}:${at.port} (UDP)`, "reflector (or turn it 'off')");
    if (asked !== undefined) throw error;
    log.warn({ why: error.message }, 'no reflector');
    return undefined;
  }
}

/** Where hosts find it: what forwards the server's port to another one is asked to forward UDP like TCP. */
export function reflectorPortToTell(
  { reflector: asked, url }: ServerConfig,
  reflector: Reflector | undefined,
): number | undefined {
  if (reflector === undefined || typeof asked === 'object') return reflector?.port;
  return Number(new URL(url).port || 443);
}

/** A busy default address is no reason not to serve: a second server on one machine has asked for nothing there. */
export async function listenForMetrics(
  { metricsListen: at, isMetricsDefault = false }: ServerConfig,
  { metrics, log }: { metrics: Metrics; log: Logger },
  closers: Closer[],
): Promise<number | undefined> {
  if (at === undefined) return undefined;
  try {
    const listener = await openMetricsListener(metrics, at);
    closers.push(() => listener.close());
    return listener.port;
  } catch (cause) {
    const error = listenError(cause, `${at.host}:${at.port}`, "metricsListen (or turn it 'off')");
    if (!isMetricsDefault) throw error;
    log.warn({ why: error.message }, 'no metrics');
    return undefined;
  }
}

function listenError(cause: unknown, where: string, setting: string): WarrenError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
  if (code === 'EACCES') {
    return new WarrenError('privilege-missing', `cannot listen on ${where}: not allowed; choose another ${setting}`, {
      cause,
    });
  }
  const why = code === 'EADDRINUSE' ? 'something else listens there' : code;
  return new WarrenError('conflict', `cannot listen on ${where}: ${why}; choose another ${setting}`, { cause });
}
