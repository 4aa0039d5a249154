/**
 * Starts and stops the coordination server: opens the store, loads the authority, makes the feed and the application,
 * listens. The only place where all parts of the server meet; none of them knows this one.
 */
import { randomBytes } from 'node:crypto';
import { type Logger, destination, pino } from 'pino';
import type { Secret } from '../shared/secret.ts';
import { version } from '../shared/version.ts';
import { type BuiltApp, buildApp } from './app.ts';
import { createBackupSchedule } from './backups/schedule.ts';
import type { ServerConfig } from './config.ts';
import type { Clock, Deps } from './deps.ts';
import { createFeed } from './feed/feed.ts';
import type { FailureLimits } from './http/rate-limit.ts';
import { ensureFirstKey } from './keys/first-key.ts';
import {
  type Closer,
  listenForHttps,
  listenForMetrics,
  listenForReflection,
  reflectorPortToTell,
} from './listeners.ts';
import { loadOrCreateAuthority } from './pki/authority.ts';
import { keepCredentialsFresh, serverNames } from './pki/server-credentials.ts';
import { createStoreKeys } from './pki/store-keys.ts';
import { routes } from './routes/index.ts';
import { keyFile, openFileLimit, prepareStateDir, replaceCaFile, statePaths, writeStateFile } from './state-dir.ts';
import { createLiveReports } from './status/live.ts';
import { createMetrics } from './status/metrics.ts';
import { registerGauges } from './status/gauges.ts';
import { startSweep } from './status/sweep.ts';
import { openStore } from './store/open.ts';
import { setUpMesh } from './store/set-up.ts';

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  /** UDP; undefined where there is no reflector. */
  readonly reflectorPort: number | undefined;
  /** Undefined when metrics are off. */
  readonly metricsPort: number | undefined;
  /** The first admin key, when this start made it. */
  readonly firstKey: Secret | undefined;
  readonly deps: Deps;
  /** Ends streams, finishes requests, closes the store; within 5 s. */
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly log?: Logger;
  readonly clock?: Clock;
  readonly random?: (bytes: number) => Buffer;
  readonly limits?: FailureLimits;
}

/** Throws what is wrong with configuration, state or listeners; nothing stays open then. */
export async function start(config: ServerConfig, options: StartOptions = {}): Promise<RunningServer> {
  const log = options.log ?? createLogger(config);
  const closers: Closer[] = [];
  try {
    return await startParts(config, { ...options, log }, closers);
  } catch (error) {
    await closeAll(closers, log);
    throw error;
  }
}

/** To stderr and without a buffer, so that nothing is lost when the process ends. */
function createLogger({ logLevel }: ServerConfig): Logger {
  return pino({ level: logLevel, base: null }, destination({ dest: 2, sync: true }));
}

async function startParts(
  config: ServerConfig,
  { log, clock = { now: Date.now }, random = randomBytes, limits }: StartOptions & { log: Logger },
  closers: Closer[],
): Promise<RunningServer> {
  await warnOfLimits(log);
  for (const path of await prepareStateDir(config.stateDir)) log.warn({ path }, 'path was open to others, closed it');
  const paths = statePaths(config.stateDir);
  const onListenerError = (error: unknown): void => log.error({ err: error }, 'commit listener failed');
  const store = await openStore({ file: paths.database, clock, random, onListenerError });
  closers.push(() => store.close());
  await setUpMesh(store, config);
  const authority = await loadOrCreateAuthority({ keys: createStoreKeys(store), clock, random });
  await writeStateFile(paths.caCertificate, authority.caPem, 0o644);
  authority.onChange(() => replaceCaFile(paths.caCertificate, authority.caPem));
  const firstKey = await ensureFirstKey(store, keyFile(paths.adminKey));

  let isDraining = false;
  const metrics = createMetrics();
  let reflectorPort: number | undefined;
  const feed = createFeed({ store, clock, log: log.child({ part: 'feed' }), reflectorPort: () => reflectorPort });
  // Port 0 is filled in once the system has chosen one; the configuration is complete before anything is served.
  const shown = { ...config };
  const live = createLiveReports();
  const own = { config: shown, log, clock, random, version, isDraining: () => isDraining };
  const backups = createBackupSchedule({ ...own, store, metrics });
  const deps: Deps = { ...own, store, authority, feed, live, metrics, backups };
  const names = serverNames(config);
  const credentials = authority.serverCredentials(names);
  const built = await buildApp(deps, { routes, credentials, ...(limits === undefined ? {} : { limits }) });
  registerGauges(metrics, deps, built.streams);
  closers.push(keepCredentialsFresh(deps, names, credentials, built.app.server));
  closers.push(() => closeApp(built));
  // Before the first stream can ask for its port. Only a port that the system chooses must be known first.
  const reflect = (at: number) => listenForReflection(config, { port: at, metrics, log }, closers);
  const isPortChosen = config.listen.port !== 0;
  let reflector = isPortChosen ? await reflect(config.listen.port) : undefined;
  reflectorPort = reflectorPortToTell(shown, reflector);
  const port = await listenForHttps(built, config.listen);
  shown.url = config.url.replace(/:0$/, `:${port}`);
  if (!isPortChosen) reflector = await reflect(port);
  reflectorPort = reflectorPortToTell(shown, reflector);
  const metricsPort = await listenForMetrics(config, { metrics, log }, closers);
  closers.push(startSweep(deps));
  backups.start();
  closers.push(() => backups.stop());
  closers.push(async () => {
    isDraining = true;
    await feed.drain();
  });
  log.info(
    { url: shown.url, port, reflectorPort: reflector?.port, metricsPort, version, revision: store.position().revision },
    'ready',
  );
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= closeAll(closers, log));
  return { url: shown.url, port, reflectorPort: reflector?.port, metricsPort, firstKey, deps, stop };
}

/** In the opposite order of opening; one that fails never keeps the rest open. */
async function closeAll(closers: readonly Closer[], log: Logger): Promise<void> {
  for (const close of closers.toReversed()) {
    try {
      await close();
    } catch (error) {
      log.error({ err: error }, 'closing failed');
    }
  }
}

/** Milliseconds that requests under way may still take. */
const graceMs = 2500;

async function closeApp({ app, streams }: BuiltApp): Promise<void> {
  streams.endAll();
  app.server.closeIdleConnections();
  const force = setTimeout(() => app.server.closeAllConnections(), graceMs);
  try {
    await app.close();
  } finally {
    clearTimeout(force);
  }
}

/** Files a server needs besides its streams, and streams it should be able to hold. */
const comfortableFiles = 8192;

async function warnOfLimits(log: Logger): Promise<void> {
  const files = await openFileLimit();
  if (files === undefined || files >= comfortableFiles) return;
  log.warn(
    { files },
    `only ${files} files may be open, one per host that is online; raise it (LimitNOFILE, ulimit -n)`,
  );
}
