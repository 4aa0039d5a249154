/** Puts a backup in the place of the database, under a new epoch: no agent's cursor is of it, so each takes a full map. */
import { chmodSync, copyFileSync, existsSync, linkSync, renameSync, rmSync } from 'node:fs';
import { WarrenError } from '../../shared/errors.ts';
import { checkDatabase, closeWhole, connectWriter, hasLog, syncToDisk } from './engine/connect.ts';
import { storeError } from './engine/errors.ts';
import { lockDatabase } from './engine/lock.ts';
import type { Random } from './ids.ts';
import { startEpoch } from './meta.ts';
import { migrate, refuseNewer } from './migrate.ts';
import { migrations } from './migrations/index.ts';

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
