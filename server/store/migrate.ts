/** Brings a database to the newest schema, one migration a transaction, after a backup of what it was. */
import type Database from 'better-sqlite3';
import { crashPoint } from '../../shared/crash-points.ts';
import { WarrenError } from '../../shared/errors.ts';

export function readSchemaVersion(database: Database.Database): number {
  return Number(database.pragma('user_version', { simple: true }));
}

/** Throws `store-newer` when a later Warren wrote the database. */
export function refuseNewer(database: Database.Database, file: string, known: number): void {
  const version = readSchemaVersion(database);
  if (version <= known) return;
  throw new WarrenError(
    'store-newer',
    `the database ${file} has schema ${version}, this Warren knows ${known}; install the newer version again, or restore a backup made by this one`,
  );
}

/** Applies what is missing. */
export function migrate(database: Database.Database, all: readonly string[]): void {
  for (const [index, text] of all.entries()) {
    if (index < readSchemaVersion(database)) continue;
    database.transaction(() => {
      database.exec(text);
      database.pragma(`user_version = ${index + 1}`);
      crashPoint('migrate.before-commit');
    })();
    crashPoint('migrate.after-commit');
  }
}
