/**
 * One backup of a server's database: a checked copy, sealed to keys of admins if asked. This room makes, schedules and
 * tries backups; how a database is copied and put back is the store's.
 */
import { rm } from 'node:fs/promises';
import { WarrenError } from '../../shared/errors.ts';
import { type Copied, backupDatabase } from '../store/backup.ts';
import { lockFile } from '../store/engine/lock.ts';
import { storeError } from '../store/engine/errors.ts';
import type { Recipient } from './keys.ts';
import { sealFile } from './sealed-file.ts';

export interface BackupSpec {
  readonly database: string;
  readonly target: string;
  /** None: the copy is readable by whoever has the file. */
  readonly recipients: readonly Recipient[];
  readonly signal?: AbortSignal | undefined;
}

/** Throws `store-full`, `store-corrupt`, `not-found`, `conflict`; older backups stay and no part of a new one is left. */
export async function makeBackup(spec: BackupSpec): Promise<Copied> {
  const { database, target, recipients, signal } = spec;
  if (recipients.length === 0) return backupDatabase(database, target, signal);
  // The open copy lies beside the database, which says the same; it never touches the disk the sealed one goes to.
  const copy = `${database}.sealing`;
  const unlock = lockFile(
    copy,
    () => new WarrenError('conflict', `another backup of ${database} is under way; wait for it`),
  );
  try {
    const copied = await backupDatabase(database, copy, signal);
    await sealFile(copy, target, recipients, signal);
    return copied;
  } catch (error) {
    throw storeError(error, target);
  } finally {
    await rm(copy, { force: true });
    unlock();
  }
}
