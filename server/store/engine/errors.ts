/** What SQLite says, in Warren's words. */
import { WarrenError } from '../../../shared/errors.ts';

/** The error to hand on: disk trouble and damage get their own code and remedy, anything else stays as it is. */
export function storeError(error: unknown, file: string): unknown {
  const code = sqliteCode(error);
  if (code === undefined) return isNoSpace(error) ? full(error, file) : error;
  if (code === 'SQLITE_FULL') return full(error, file);
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) return corrupt(file, messageOf(error), error);
  // The memory that readers and writer share is a file as well, and cannot grow.
  if (code === 'SQLITE_IOERR_SHMSIZE') return full(error, file);
  if (code.startsWith('SQLITE_IOERR') && /ENOSPC|no space/i.test(messageOf(error))) return full(error, file);
  return error;
}

/** What Node's own file functions say of a full disk. */
function isNoSpace(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

export function corrupt(file: string, what: string, cause?: unknown): WarrenError {
  return new WarrenError(
    'store-corrupt',
    `the database ${file} is damaged (${what}); put a backup in its place with \`warren server restore BACKUP\``,
    { cause },
  );
}

/** True when the row breaks a UNIQUE or PRIMARY KEY constraint that names all of `columns` (`table.column`). */
export function isUniqueViolation(error: unknown, column: string): boolean {
  return /^SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY)$/.test(sqliteCode(error) ?? '') && messageOf(error).includes(column);
}

export function sqliteCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'SqliteError') return undefined;
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function full(cause: unknown, file: string): WarrenError {
  return new WarrenError(
    'store-full',
    `the database ${file} cannot grow: its disk is full; free some space, nothing was changed`,
    { cause },
  );
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
