/** Opens database files the one way Warren uses them, and refuses those that are damaged or not Warren's. */
import Database from 'better-sqlite3';
import { chmodSync, closeSync, existsSync, fsyncSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { corrupt, storeError } from './errors.ts';

/** `PRAGMA application_id` of a Warren database: "Wrrn". */
export const applicationId = 0x5772726e;

/** A connection that writes: WAL, each commit on disk before it is acknowledged. */
export function connectWriter(file: string): Database.Database {
  const database = new Database(file, { timeout: 5000 });
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('foreign_keys = ON');
  return database;
}

/** A connection that only reads, also while another one writes. */
export function connectReader(file: string): Database.Database {
  const database = new Database(file, { timeout: 5000, fileMustExist: true });
  database.pragma('query_only = ON');
  return database;
}

/** Throws `store-corrupt` unless `file` is a whole Warren database; with `none` only its first page is looked at. */
export function checkDatabase(file: string, check: 'quick_check' | 'integrity_check' | 'none'): void {
  if (statSync(file).size === 0) throw corrupt(file, 'it is empty');
  let database: Database.Database | undefined;
  try {
    // Closing a connection that may write folds the log into the file, and a damaged file stays as it was found.
    database = new Database(file, { fileMustExist: true, readonly: true });
    if (database.pragma('application_id', { simple: true }) !== applicationId) {
      throw corrupt(file, 'it is not a Warren database');
    }
    if (check === 'none') return;
    const verdict = database.pragma(`${check}(1)`, { simple: true });
    if (verdict !== 'ok') throw corrupt(file, String(verdict).replace(/\s+/g, ' '));
  } catch (error) {
    throw storeError(error, file);
  } finally {
    database?.close();
  }
}

/** An empty file that only its owner may read; SQLite gives the files beside it the same mode. */
export function createPrivateFile(file: string): void {
  closeSync(openSync(file, 'wx', 0o600));
}

/** What was written to `file`, and that it has this name, survives a power cut. */
export function syncToDisk(file: string): void {
  for (const path of [file, dirname(file)]) {
    const descriptor = openSync(path, 'r');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }
}

/** Folds the log into the file and leaves a file that stands alone. */
export function closeWhole(database: Database.Database, file: string): void {
  database.pragma('journal_mode = DELETE');
  database.close();
  chmodSync(file, 0o600);
  syncToDisk(file);
}

/** True when SQLite left committed changes beside the file: its last process did not close it. */
export function hasLog(file: string): boolean {
  return existsSync(`${file}-wal`) && statSync(`${file}-wal`).size > 0;
}
