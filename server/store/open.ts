/**
 * The store: everything that is durable, and the only place with SQL. `transact` is the one way to write; `db` reads the
 * last committed state while a transaction is under way. One file per noun holds its queries. The store knows nothing of
 * HTTP, certificates, the feed or what a change means; it keeps the revision and the audit complete and loses nothing
 * it acknowledged.
 */
import type { Random } from './ids.ts';
import type { Db } from './schema.ts';
import { openFiles } from './files.ts';
import { createSnapshots } from './snapshots.ts';
import { storeError } from './engine/errors.ts';
import { openQueryLayer } from './engine/dialect.ts';
import { readMeta, touchChecked } from './meta.ts';
import { type Copied, backupDatabase } from './backup.ts';
import { type Commit, type Tx, transactOnce } from './transact.ts';
import { crashPoint } from '../../shared/crash-points.ts';
import { WarrenError } from '../../shared/errors.ts';

export type { Db } from './schema.ts';
export type { Commit, CommittedAudit, Tx } from './transact.ts';

export interface Position {
  readonly epoch: string;
  readonly revision: number;
}

export interface Store {
  /** Reads the last committed state, each statement its own; writing through it fails. */
  readonly db: Db;
  /** Runs `fn` alone among the writers. What it throws rolls everything back and is thrown on. */
  transact<T>(actor: string, fn: (tx: Tx) => Promise<T>): Promise<T>;
  /** Several reads of one state of the database, beside all other reads and writes. */
  snapshot<T>(fn: (db: Db) => Promise<T>): Promise<T>;
  /** Called after each commit that made a revision, in order, before the transaction's caller goes on. */
  onCommit(listener: (commit: Commit) => void): () => void;
  position(): Position;
  /** Writes a whole, checked copy to `file` (0600) while the server goes on. */
  backup(file: string, signal?: AbortSignal): Promise<Copied>;
  /** Throws when the database cannot be written now; looks at the disk at most once a second. */
  checkWritable(): Promise<void>;
  /** Waits for transactions under way. */
  close(): Promise<void>;
}

export interface OpenStoreOptions {
  readonly file: string;
  readonly clock: { now(): number };
  readonly random: Random;
  /** Migrations in order; the default is all of them. */
  readonly migrations?: readonly string[];
  /** Told of what a commit listener threw; the commit stands. Default: a process warning. */
  readonly onListenerError?: (error: unknown) => void;
}

/**
 * Opens or creates the database and migrates it. Throws `conflict` when another server uses it, `store-corrupt`,
 * `store-newer`, `store-full`.
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const { file, clock } = options;
  const files = await openFiles(options);
  const writer = openQueryLayer(files.writer, 'immediate');
  const db = openQueryLayer(files.reader, 'none');
  const snapshots = createSnapshots(file);
  const listeners = new Set<(commit: Commit) => void>();
  const tellFailure = options.onListenerError ?? ((error) => process.emitWarning(String(error)));
  let position = positionOf(await readMeta(db));
  let queue: Promise<unknown> = Promise.resolve();
  let isClosed = false;
  let writableUntil = 0;

  const announce = (commit: Commit): void => {
    position = positionOf(commit);
    for (const listener of listeners) {
      try {
        listener(commit);
      } catch (error) {
        tellFailure(error);
      }
    }
  };
  const run = async <T>(actor: string, fn: (tx: Tx) => Promise<T>): Promise<T> => {
    try {
      const { result, commit } = await transactOnce({ writer, clock, random: options.random }, actor, fn);
      if (commit !== undefined) {
        crashPoint('store.after-commit');
        announce(commit);
      }
      return result;
    } catch (error) {
      throw storeError(error, file);
    }
  };

  const store: Store = {
    db,
    async transact(actor, fn) {
      if (isClosed) throw new WarrenError('draining', 'the store is closed; the server is stopping');
      const turn = queue.then(() => run(actor, fn));
      queue = turn.catch(() => undefined);
      return turn;
    },
    snapshot: (fn) => snapshots.run(fn),
    onCommit(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    position: () => position,
    backup: (target, signal) => backupDatabase(file, target, signal),
    async checkWritable() {
      if (clock.now() < writableUntil) return;
      await store.transact('server', touchChecked);
      writableUntil = clock.now() + 1000;
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      await queue;
      await snapshots.close();
      await db.destroy();
      await writer.destroy();
      files.unlock();
    },
  };
  return store;
}

const positionOf = ({ epoch, revision }: Position): Position => ({ epoch, revision });
