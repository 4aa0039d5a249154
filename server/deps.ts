/**
 * Everything a route or a domain function may need of the running server, made once in `main.ts` and handed down. There
 * are no process-wide singletons, so a test runs several servers in one process. It holds no behaviour of its own.
 */
import type { Logger } from 'pino';
import type { BackupStanding } from '../shared/api/server.ts';
import type { ServerConfig } from './config.ts';
import type { Feed } from './feed/feed.ts';
import type { Authority } from './pki/authority.ts';
import type { Metrics } from './status/metrics.ts';
import type { LiveReports } from './status/live.ts';
import type { Store } from './store/open.ts';

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
}

export interface Deps {
  readonly config: ServerConfig;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: (bytes: number) => Buffer;
  readonly store: Store;
  readonly authority: Authority;
  readonly feed: Feed;
  /** What hosts last reported; kept in memory, because only endpoints and liveness are worth a write. */
  readonly live: LiveReports;
  readonly metrics: Metrics;
  /** Scheduled backups, as far as `/readyz` tells of them. */
  readonly backups: { standing(): BackupStanding };
  /** Of this server, from package.json. */
  readonly version: string;
  /** True once the server is stopping: `/readyz` says so and new streams are refused. */
  readonly isDraining: () => boolean;
}
