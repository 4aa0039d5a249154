/**
 * One server per database. The lock is SQLite's own write lock on an empty file beside the database: the kernel gives it
 * back when the process ends, however it ends, and it holds between containers that cannot see each other's processes.
 */
import Database from 'better-sqlite3';
import { closeSync, openSync } from 'node:fs';
import { WarrenError } from '../../../shared/errors.ts';
import { sqliteCode } from './errors.ts';

/** Takes the lock or throws `conflict`; the answer gives it back. */
export function lockDatabase(file: string): () => void {
  const message = `a server is using ${file}; stop it first, or give this one another --state`;
  return lockFile(file, (cause) => new WarrenError('conflict', message, { cause }));
}

/** Takes the lock that belongs to `file`, or throws what `busy` makes of it. */
export function lockFile(file: string, busy: (cause: unknown) => Error): () => void {
  closeSync(openSync(`${file}.lock`, 'a', 0o600));
  const lock = new Database(`${file}.lock`, { timeout: 0 });
  try {
    lock.exec('BEGIN IMMEDIATE');
  } catch (error) {
    lock.close();
    if (sqliteCode(error)?.startsWith('SQLITE_BUSY') !== true) throw error;
    throw busy(error);
  }
  return () => lock.close();
}
