/** The files behind a store: made new in one step, checked, backed up before a migration, locked while in use. */
import type Database from 'better-sqlite3';
import { existsSync, renameSync, rmSync } from 'node:fs';
import {
  applicationId,
  checkDatabase,
  closeWhole,
  connectReader,
  connectWriter,
  createPrivateFile,
  hasLog,
  syncToDisk,
} from './engine/connect.ts';
import { corrupt, storeError } from './engine/errors.ts';
import { lockDatabase } from './engine/lock.ts';
import type { Random } from './ids.ts';
import { insertMeta } from './meta.ts';
import { migrate, readSchemaVersion, refuseNewer } from './migrate.ts';
import { migrations } from './migrations/index.ts';
import { backupDatabase } from './backup.ts';

export interface StoreFiles {
  readonly writer: Database.Database;
  readonly reader: Database.Database;
  unlock(): void;
}

export interface FileOptions {
  readonly file: string;
  readonly clock: { now(): number };
  readonly random: Random;
  /** Default: all of them. */
  readonly migrations?: readonly string[];
}

export async function openFiles(options: FileOptions): Promise<StoreFiles> {
  const { file } = options;
  const unlock = lockDatabase(file);
  try {
    if (!existsSync(file)) createDatabase(options);
    else checkDatabase(file, 'quick_check');
    const writer = connectWriter(file);
    const all = options.migrations ?? migrations;
    refuseNewer(writer, file, all.length);
    if (readSchemaVersion(writer) < all.length) await migrateExisting(writer, options, all);
    return { writer, reader: connectReader(file), unlock };
  } catch (error) {
    unlock();
    throw storeError(error, file);
  }
}

/** A new database gets its name only when it is whole, so that an empty file always means damage. */
function createDatabase({ file, clock, random, migrations: all = migrations }: FileOptions): void {
  if (hasLog(file)) throw corrupt(file, `it is missing, but ${file}-wal is there`);
  const draft = `${file}.new`;
  for (const path of [draft, `${draft}-wal`, `${draft}-shm`]) rmSync(path, { force: true });
  createPrivateFile(draft);
  const database = connectWriter(draft);
  database.pragma(`application_id = ${applicationId}`);
  migrate(database, all);
  insertMeta(database, clock.now(), random);
  closeWhole(database, draft);
  renameSync(draft, file);
  syncToDisk(file);
}

async function migrateExisting(
  writer: Database.Database,
  { file, clock }: FileOptions,
  all: readonly string[],
): Promise<void> {
  const day = new Date(clock.now()).toISOString().replace(/[:.]/g, '');
  await backupDatabase(file, `${file}.before-schema-${all.length}-${day}`);
  migrate(writer, all);
}
