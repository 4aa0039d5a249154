/**
 * Kysely over better-sqlite3, with a driver of our own because Kysely's begins every transaction deferred (a reader that
 * turns writer fails with SQLITE_BUSY_SNAPSHOT), prepares each statement anew, lets all callers queue for a connection
 * that answers at once anyway, and hides a full disk behind the rollback that SQLite already did. Whoever opens a layer
 * sees to it that one transaction at a time uses it.
 */
import type Database from 'better-sqlite3';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { Schema } from '../schema.ts';

/** How transactions begin; `none` refuses them. */
export type Mode = 'immediate' | 'deferred' | 'none';

export function openQueryLayer(database: Database.Database, mode: Mode): Kysely<Schema> {
  return new Kysely<Schema>({
    dialect: {
      createDriver: () => new SyncDriver(database, mode),
      createQueryCompiler: () => new SqliteQueryCompiler(),
      createAdapter: () => new SqliteAdapter(),
      createIntrospector: (db) => new SqliteIntrospector(db),
    },
  });
}

class SyncDriver implements Driver {
  readonly #database: Database.Database;
  readonly #mode: Mode;
  readonly #connection: SyncConnection;

  constructor(database: Database.Database, mode: Mode) {
    this.#database = database;
    this.#mode = mode;
    this.#connection = new SyncConnection(database);
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection;
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#mode === 'none') throw new Error('read several things at once with store.snapshot, write with transact');
    await connection.executeQuery(CompiledQuery.raw(`begin ${this.#mode}`));
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'));
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#database.inTransaction) await connection.executeQuery(CompiledQuery.raw('rollback'));
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {
    this.#database.close();
  }
}

/** More texts than the program has: only queries over lists of ids come in many lengths. */
const maxStatements = 300;

class SyncConnection implements DatabaseConnection {
  readonly #database: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();

  constructor(database: Database.Database) {
    this.#database = database;
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    const statement = this.#prepare(sql);
    if (statement.reader) return { rows: statement.all(...parameters) as Row[] };
    const { changes, lastInsertRowid } = statement.run(...parameters);
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
  }

  // oxlint-disable-next-line require-yield
  async *streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error('read page by page instead; a stream would hold the connection');
  }

  #prepare(sql: string): Database.Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    if (this.#statements.size >= maxStatements) this.#statements.clear();
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}
