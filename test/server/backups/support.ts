/** A schedule over a real store, with the clock in the test's hand. */
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { pino } from 'pino';
import type { Recipient } from '../../../server/backups/keys.ts';
import { type BackupSchedule, createBackupSchedule } from '../../../server/backups/schedule.ts';
import { type ServerConfig, loadServerConfig } from '../../../server/config.ts';
import { createMetrics } from '../../../server/status/metrics.ts';
import { type TestStore, addHost, temporaryDirectory, useStore } from '../store/support.ts';

export interface TestSchedule extends TestStore {
  readonly directory: string;
  readonly config: ServerConfig;
  /** Another one over the same store, as after a restart. */
  readonly restart: () => BackupSchedule;
  readonly files: () => string[];
  readonly metric: (name: string) => Promise<number>;
}

export interface ScheduleSettings {
  readonly keep?: number;
  readonly recipients?: readonly Recipient[];
}

export async function useSchedule(t: TestContext, settings: ScheduleSettings = {}): Promise<TestSchedule> {
  const made = await useStore(t);
  const { store, clock, options } = made;
  await store.transact('server', (tx) => addHost(tx, 1));
  const directory = join(temporaryDirectory(t), 'backups');
  const { keep = 3, recipients = [] } = settings;
  const flags = { state: dirname(options.file), listen: '127.0.0.1:0', url: 'https://127.0.0.1:0' };
  const config = {
    ...(await loadServerConfig({ flags, env: {} })),
    backups: { directory, everyMinutes: 60, keep, recipients },
  };
  const metrics = createMetrics();
  let count = 0;
  return {
    ...made,
    directory,
    config,
    restart() {
      count += 1;
      // A registry holds each figure once; only the first schedule's are read.
      return createBackupSchedule({
        store,
        clock,
        config,
        log: pino({ level: 'silent' }),
        metrics: count === 1 ? metrics : createMetrics(),
      });
    },
    files: () => readdirSync(directory).sort(),
    metric: async (name) => {
      const { text } = await metrics.read();
      return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
    },
  };
}

export const hour = 3_600_000;
