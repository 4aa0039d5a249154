/** A backup as a database file, whether it was sealed or not. */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { WarrenError } from '../../shared/errors.ts';
import { Secret } from '../../shared/secret.ts';
import { storeError } from '../store/engine/errors.ts';
import { type BackupKey, parseBackupKey } from './keys.ts';
import { isSealed, openSealedFile } from './sealed-file.ts';

export interface SealedSource {
  readonly file: string;
  readonly key: BackupKey | undefined;
  /** Where a sealed one is opened; gone afterwards. */
  readonly draft: string;
}

/** Throws `not-found`, `usage-invalid` when it is sealed and no key is given, `forbidden` for a key that does not fit. */
export async function withOpenBackup<T>(
  { file, key, draft }: SealedSource,
  use: (backupFile: string, isSealed: boolean) => Promise<T>,
): Promise<T> {
  if (!existsSync(file)) throw new WarrenError('not-found', `there is no backup ${file}`);
  if (!(await isSealed(file))) return use(file, false);
  if (key === undefined)
    throw new WarrenError('usage-invalid', `${file} is sealed; name the file of its key with --key`);
  try {
    await openSealedFile(file, draft, key);
    return await use(draft, true);
  } catch (error) {
    throw storeError(error, draft);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Undefined where none was named. Throws `not-found`, `usage-invalid`. */
export async function readBackupKey(path: string | undefined): Promise<BackupKey | undefined> {
  if (path === undefined) return undefined;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new WarrenError('not-found', `the key ${path} cannot be read`, { cause });
  }
  return parseBackupKey(new Secret(text));
}
