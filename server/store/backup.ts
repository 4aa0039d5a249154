/** Backups: a whole copy taken while a server runs, held against the original before it gets its name. */
import Database from 'better-sqlite3';
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crashPoint } from '../../shared/crash-points.ts';
import { WarrenError } from '../../shared/errors.ts';
import { checkDatabase, closeWhole, connectReader, syncToDisk } from './engine/connect.ts';
import { corrupt, sqliteCode, storeError } from './engine/errors.ts';

/** Pages copied between two turns of the event loop. */
const pagesPerTurn = 256;

/** What a copy is of. */
export interface Copied {
  readonly epoch: string;
  readonly revision: number;
  readonly schema: number;
}

/** What tells one state of the database from another. */
interface Contents extends Copied {
  /** By table. */
  readonly rows: Readonly<Record<string, number>>;
}

/** Copies the database to `target` (0600), checked, in one step; an older file of that name is replaced. */
export async function backupDatabase(file: string, target: string, signal?: AbortSignal): Promise<Copied> {
  if (!existsSync(file)) throw new WarrenError('not-found', `there is no database ${file}; is --state right?`);
  const folder = dirname(target);
  if (!existsSync(folder)) throw new WarrenError('not-found', `cannot write ${target}: there is no folder ${folder}`);
  const draft = `${target}.partial`;
  for (const path of [draft, `${draft}-wal`, `${draft}-shm`]) rmSync(path, { force: true });
  try {
    const original = await copyDatabase(file, draft, signal);
    crashPoint('backup.copied');
    closeWhole(new Database(draft), draft);
    await checkCopy(draft, original, signal);
    crashPoint('backup.checked');
    renameSync(draft, target);
    crashPoint('backup.named');
    syncToDisk(target);
    return { epoch: original.epoch, revision: original.revision, schema: original.schema };
  } catch (error) {
    rmSync(draft, { force: true });
    // Only the copy is written to, so it is its disk that is full.
    throw storeError(error, sqliteCode(error) === 'SQLITE_FULL' ? target : file);
  }
}

/** A read transaction holds one state of the source for the whole copy. */
async function copyDatabase(file: string, draft: string, signal: AbortSignal | undefined): Promise<Contents> {
  const source = connectReader(file);
  try {
    source.exec('BEGIN');
    const contents = readContents(source);
    const progress = (): number => {
      signal?.throwIfAborted();
      return pagesPerTurn;
    };
    await source.backup(draft, { progress });
    chmodSync(draft, 0o600);
    return contents;
  } finally {
    source.close();
  }
}

function readContents(database: Database.Database): Contents {
  const { epoch, revision } = database.prepare('SELECT epoch, revision FROM meta').get() as Copied;
  const schema = Number(database.pragma('user_version', { simple: true }));
  const rows = tablesOf(database).map((table) => {
    const { count } = database.prepare(`SELECT count(*) AS count FROM "${table}"`).get() as { count: number };
    return [table, count] as const;
  });
  return { epoch, revision, schema, rows: Object.fromEntries(rows) };
}

function tablesOf(database: Database.Database): string[] {
  const found = database.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`);
  return found.pluck().all() as string[];
}

/**
 * Throws `store-corrupt` unless the copy is a whole database that holds what the original held. One table a turn: to
 * check all of a big mesh at once would hold up its server.
 */
async function checkCopy(draft: string, original: Contents, signal: AbortSignal | undefined): Promise<void> {
  checkDatabase(draft, 'none');
  const copy = new Database(draft, { fileMustExist: true, readonly: true });
  try {
    for (const table of ['sqlite_schema', ...tablesOf(copy)]) {
      const verdict = copy.pragma(`integrity_check("${table}")`, { simple: true });
      if (verdict !== 'ok') throw corrupt(draft, String(verdict).replace(/\s+/g, ' '));
      await nextTurn(undefined, { signal });
    }
    const contents = JSON.stringify(readContents(copy));
    if (contents !== JSON.stringify(original)) {
      throw corrupt(draft, `it holds ${contents} where the original holds ${JSON.stringify(original)}`);
    }
  } finally {
    copy.close();
  }
}
