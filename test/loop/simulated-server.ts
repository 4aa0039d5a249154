/**
 * The server without HTTP: the real store on a file, the real feed, sweep and domain functions. It can crash (nothing
 * is told goodbye) and start again on the same database.
 */
import { join } from 'node:path';
import { pino } from 'pino';
import type { Deps } from '../../server/deps.ts';
import { createFeed } from '../../server/feed/feed.ts';
import { type Authority, loadOrCreateAuthority } from '../../server/pki/authority.ts';
import { createStoreKeys } from '../../server/pki/store-keys.ts';
import { createLiveReports } from '../../server/status/live.ts';
import { createMetrics } from '../../server/status/metrics.ts';
import { createSweep } from '../../server/status/sweep.ts';
import { openStore } from '../../server/store/open.ts';
import { setUpMesh } from '../../server/store/set-up.ts';
import type { ServerConfig } from '../../server/config.ts';
import { parseCidr } from '../../shared/net/cidr.ts';
import { version } from '../../shared/version.ts';
import type { Chance } from './random.ts';
import { parseDomainName } from '../../shared/workload.ts';

export interface SimulatedServer {
  readonly deps: Deps;
  stop(): Promise<void>;
}

export const serverUrl = 'https://192.0.2.250:8443';

export async function startSimulatedServer(directory: string, chance: Chance): Promise<SimulatedServer> {
  const clock = { now: () => Date.now() };
  const random = (count: number): Buffer => chance.bytes(count);
  const log = pino({ level: 'silent' });
  const store = await openStore({ file: join(directory, 'warren.db'), clock, random });
  const config = configOf(directory);
  await setUpMesh(store, config);
  const authority: Authority = await loadOrCreateAuthority({ keys: createStoreKeys(store), clock, random });
  const feed = createFeed({ store, clock, log });
  const live = createLiveReports();
  const metrics = createMetrics();
  const isDraining = (): boolean => false;
  const backups = { standing: () => ({ state: 'off' as const, lastGoodAt: null }) };
  const deps: Deps = {
    config,
    log,
    clock,
    random,
    store,
    authority,
    feed,
    live,
    metrics,
    backups,
    version,
    isDraining,
  };
  const sweep = createSweep(deps);
  sweep.start();
  return {
    deps,
    stop: async () => {
      await feed.drain();
      await sweep.stop();
      await store.close();
    },
  };
}

function configOf(stateDir: string): ServerConfig {
  return {
    listen: { host: '127.0.0.1', port: 0 },
    url: serverUrl,
    stateDir,
    metricsListen: undefined,
    logLevel: 'silent',
    overlayPool: parseCidr('10.86.0.0/16'),
    containerPool: parseCidr('10.210.0.0/16'),
    mtu: 1420,
    keepaliveSeconds: 25,
    domain: parseDomainName('warren.internal'),
    distDir: stateDir,
  };
}
