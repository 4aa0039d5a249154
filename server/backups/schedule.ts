/**
 * Backups by the clock: one each interval, the newest few kept, an older one never touched before a newer one is whole.
 * One that fails is tried again soon; that it failed is on record once, and in metrics and `/readyz` until one succeeds.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Deps } from '../deps.ts';
import { statePaths } from '../state-dir.ts';
import { syncToDisk } from '../store/engine/connect.ts';
import type { BackupStanding } from '../../shared/api/server.ts';
import { formatMaybe } from '../time.ts';
import { makeBackup } from './backup.ts';
import { abandonedDrafts, backupName, scheduledBackups, surplusBackups } from './names.ts';

export interface BackupSchedule {
  standing(): BackupStanding;
  /** Makes a backup when one is due; throws nothing. */
  runOnce(): Promise<void>;
  start(): void;
  /** A backup under way is given up; nothing of it stays. */
  stop(): Promise<void>;
}

type Needs = Pick<Deps, 'store' | 'clock' | 'log' | 'config' | 'metrics'>;

const lookEveryMs = 30_000;
/** A failed backup is tried again after this, or after the interval where that is shorter. */
const retryMs = 10 * 60_000;

/** What is known of the backups of this server. */
interface Book {
  /** Undefined until the directory was read. */
  lastGoodAt: number | undefined;
  isRead: boolean;
  failedAt: number | undefined;
}

export function createBackupSchedule({ store, clock, log, config, metrics }: Needs): BackupSchedule {
  const { backups } = config;
  const book: Book = { lastGoodAt: undefined, isRead: false, failedAt: undefined };
  const ending = new AbortController();
  const countFailure = metrics.counter('warren_backup_failures_total', 'Backups that failed since the start');
  metrics.gauge('warren_backup_last_good_seconds', 'When the last good backup was begun, Unix time; 0: none', () =>
    Math.floor((book.lastGoodAt ?? 0) / 1000),
  );
  metrics.gauge('warren_backup_failing', '1 while the last attempt at a backup failed', () =>
    book.failedAt === undefined ? 0 : 1,
  );

  const record = async (action: string, detail: Record<string, unknown>): Promise<void> => {
    try {
      await store.transact('server', async (tx) => tx.audit(action, null, detail));
    } catch (error) {
      log.error({ err: error, action }, 'a backup could not be put on record');
    }
  };
  const fail = async (error: unknown): Promise<void> => {
    const isNews = book.failedAt === undefined;
    book.failedAt = clock.now();
    countFailure();
    log.error({ err: error }, 'backup failed');
    if (isNews) await record('server.backup-failed', { why: error instanceof Error ? error.message : String(error) });
  };
  const runOnce = async (): Promise<void> => {
    if (backups === undefined) return;
    try {
      if (!book.isRead) await readBook(backups.directory, book);
      const at = clock.now();
      if (!isDue(book, at, backups.everyMinutes * 60_000)) return;
      const made = await makeScheduled({ store, config }, at, ending.signal);
      Object.assign(book, { lastGoodAt: at, failedAt: undefined });
      log.info(made, 'backup made');
      await record('server.backup', made);
    } catch (error) {
      if (!ending.signal.aborted) await fail(error);
    }
  };

  let turning: Promise<void> = Promise.resolve();
  const turn = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      await runOnce();
      await delay(lookEveryMs, undefined, { signal: ending.signal, ref: false }).catch(() => undefined);
    }
  };
  return {
    standing: () => ({ state: stateOf(book, backups !== undefined), lastGoodAt: formatMaybe(book.lastGoodAt) }),
    runOnce,
    start() {
      if (backups !== undefined) turning = turn();
    },
    async stop() {
      ending.abort();
      await turning;
    },
  };
}

async function makeScheduled(
  { store, config }: Pick<Deps, 'store' | 'config'>,
  at: number,
  signal: AbortSignal,
): Promise<{ name: string; revision: number }> {
  const { directory, keep, recipients } = config.backups ?? { directory: '', keep: 1, recipients: [] };
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const name of abandonedDrafts(await readdir(directory))) await discard(join(directory, name));
  const name = backupName(at, recipients.length > 0);
  const { database } = statePaths(config.stateDir);
  const atStart = store.position();
  const copied = await makeBackup({ database, target: join(directory, name), recipients, signal });
  if (copied.epoch !== atStart.epoch || copied.revision < atStart.revision) {
    throw new Error(`the backup is of revision ${copied.revision}, the mesh was at ${atStart.revision} already`);
  }
  for (const old of surplusBackups(await readdir(directory), name, keep)) await discard(join(directory, old));
  syncToDisk(join(directory, name));
  return { name, revision: copied.revision };
}

const discard = (path: string): Promise<void> => rm(path, { force: true, recursive: true });

/** The newest that is there; a directory that is not there holds none. */
async function readBook(directory: string, book: Book): Promise<void> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  Object.assign(book, { lastGoodAt: scheduledBackups(names).at(-1)?.at, isRead: true });
}

/** A clock that was set back makes one due at once: better one too many than none for a year. */
function isDue({ lastGoodAt, failedAt }: Book, now: number, everyMs: number): boolean {
  const isWithin = (since: number | undefined, ms: number): boolean =>
    since !== undefined && now >= since && now - since < ms;
  return !isWithin(lastGoodAt, everyMs) && !isWithin(failedAt, Math.min(retryMs, everyMs));
}

function stateOf({ lastGoodAt, failedAt }: Book, isOn: boolean): BackupStanding['state'] {
  if (!isOn) return 'off';
  if (failedAt !== undefined) return 'failing';
  return lastGoodAt === undefined ? 'waiting' : 'good';
}
