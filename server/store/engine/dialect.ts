/**
 * Kysely over better-sqlite3 with what its own dialect lacks: writers begin immediately (a deferred transaction that
 * turns writer fails with SQLITE_BUSY_SNAPSHOT), statements are prepared once, and a rollback after SQLite rolled back by
 * itself (disk full) does not hide the error that caused it.
 */
import type Database from 'better-sqlite3';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  SqliteDialect,
  SqliteDriver,
  type SqliteDatabase,
  type SqliteStatement,
} from 'kysely';
import type { Schema } from '../schema.ts';

export type Mode = 'immediate' | 'deferred';

export function openQueryLayer(database: Database.Database, mode: Mode): Kysely<Schema> {
  return new Kysely<Schema>({ dialect: new Dialect(database, mode) });
}

class Dialect extends SqliteDialect {
  readonly #database: Database.Database;
  readonly #mode: Mode;

  constructor(database: Database.Database, mode: Mode) {
    super({ database });
    this.#database = database;
    this.#mode = mode;
  }

  override createDriver(): Driver {
    return new ModeDriver(this.#database, this.#mode);
  }
}

class ModeDriver extends SqliteDriver {
  readonly #database: Database.Database;
  readonly #begin: CompiledQuery;

  constructor(database: Database.Database, mode: Mode) {
    super({ database: cacheStatements(database) });
    this.#database = database;
    this.#begin = CompiledQuery.raw(`begin ${mode}`);
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(this.#begin);
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#database.inTransaction) await super.rollbackTransaction(connection);
  }
}

/** More texts than the program has: only queries over lists of ids come in many lengths. */
const maxStatements = 300;

function cacheStatements(database: Database.Database): SqliteDatabase {
  const statements = new Map<string, SqliteStatement>();
  return {
    prepare(sql) {
      let statement = statements.get(sql);
      if (statement === undefined) {
        if (statements.size >= maxStatements) statements.clear();
        statement = database.prepare(sql) as unknown as SqliteStatement;
        statements.set(sql, statement);
      }
      return statement;
    },
    close: () => database.close(),
  };
}
