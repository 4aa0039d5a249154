/** Backups: a whole copy taken while a server runs, and putting one back, which starts a new epoch. */
import Database from 'better-sqlite3';
import { chmodSync, copyFileSync, existsSync, linkSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { WarrenError } from '../../shared/errors.ts';
import { checkDatabase, closeWhole, connectReader, connectWriter, hasLog, syncToDisk } from './engine/connect.ts';
import { sqliteCode, storeError } from './engine/errors.ts';
import { lockDatabase } from './engine/lock.ts';
import type { Random } from './ids.ts';
import { startEpoch } from './meta.ts';
import { migrate, refuseNewer } from './migrate.ts';
import { migrations } from './migrations/index.ts';

/** Pages copied between two turns of the event loop. */
const pagesPerTurn = 256;

/** Copies the database to `target` (0600), checked, in one step; an older file of that name is replaced. */
export async function backupDatabase(file: string, target: string): Promise<void> {
  if (!existsSync(file)) throw new WarrenError('not-found', `there is no database ${file}; is --state right?`);
  const folder = dirname(target);
  if (!existsSync(folder)) throw new WarrenError('not-found', `cannot write ${target}: there is no folder ${folder}`);
  const draft = `${target}.partial`;
  for (const path of [draft, `${draft}-wal`, `${draft}-shm`]) rmSync(path, { force: true });
  try {
    await copyDatabase(file, draft);
    closeWhole(new Database(draft), draft);
    checkDatabase(draft, 'integrity_check');
    renameSync(draft, target);
    syncToDisk(target);
  } catch (error) {
    rmSync(draft, { force: true });
    // Only the copy is written to, so it is its disk that is full.
    throw storeError(error, sqliteCode(error) === 'SQLITE_FULL' ? target : file);
  }
}

/** A read transaction holds one state of the source for the whole copy. */
async function copyDatabase(file: string, draft: string): Promise<void> {
  const source = connectReader(file);
  try {
    source.exec('BEGIN');
    source.prepare('SELECT revision FROM meta').get();
    await source.backup(draft, { progress: () => pagesPerTurn });
    chmodSync(draft, 0o600);
  } finally {
    source.close();
  }
}

export interface Restored {
  readonly epoch: string;
  readonly revision: number;
  /** Where the database that was there before is kept. */
  readonly replaced: string | undefined;
}

/**
 * Puts a backup in the database's place, under a new epoch. Throws `conflict` while a server uses it, `store-corrupt` or
 * `store-newer` for a backup that is no good; then nothing is changed.
 */
export function restoreBackup(options: {
  backupFile: string;
  file: string;
  clock: { now(): number };
  random: Random;
}): Restored {
  const { backupFile, file, clock, random } = options;
  if (!existsSync(backupFile)) throw new WarrenError('not-found', `there is no backup ${backupFile}`);
  checkDatabase(backupFile, 'integrity_check');
  const unlock = lockDatabase(file);
  const draft = `${file}.restoring`;
  try {
    for (const path of [draft, `${draft}-wal`, `${draft}-shm`]) rmSync(path, { force: true });
    copyFileSync(backupFile, draft);
    chmodSync(draft, 0o600);
    const position = prepareDraft(draft, clock.now(), random);
    const replaced = existsSync(file) ? setAside(file, clock.now()) : undefined;
    renameSync(draft, file);
    syncToDisk(file);
    return { ...position, replaced };
  } catch (error) {
    rmSync(draft, { force: true });
    throw storeError(error, file);
  } finally {
    unlock();
  }
}

function prepareDraft(draft: string, now: number, random: Random): { epoch: string; revision: number } {
  const database = connectWriter(draft);
  refuseNewer(database, draft, migrations.length);
  migrate(database, migrations);
  const position = startEpoch(database, now, random);
  closeWhole(database, draft);
  return position;
}

/** Keeps the old database under another name; `file` itself stays until the new one takes its name. */
function setAside(file: string, now: number): string {
  const kept = `${file}.replaced-${new Date(now).toISOString().replace(/[:.]/g, '')}`;
  linkSync(file, kept);
  if (hasLog(file)) copyFileSync(`${file}-wal`, `${kept}-wal`);
  for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true });
  return kept;
}
