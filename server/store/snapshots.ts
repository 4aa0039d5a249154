/**
 * Read transactions beside each other: SQLite gives one connection one state of the database, so each snapshot under way
 * has a connection of its own; they are kept for the next one.
 */
import { WarrenError } from '../../shared/errors.ts';
import { connectReader } from './engine/connect.ts';
import { openQueryLayer } from './engine/dialect.ts';
import type { Db } from './schema.ts';

export interface Snapshots {
  run<T>(fn: (db: Db) => Promise<T>): Promise<T>;
  /** Waits for snapshots under way. */
  close(): Promise<void>;
}

export function createSnapshots(file: string): Snapshots {
  const idle: Db[] = [];
  const running = new Set<Promise<unknown>>();
  let isClosed = false;

  const take = async <T>(fn: (db: Db) => Promise<T>): Promise<T> => {
    const layer = idle.pop() ?? openQueryLayer(connectReader(file), 'deferred');
    try {
      return await layer.transaction().execute(fn);
    } finally {
      idle.push(layer);
    }
  };
  return {
    async run(fn) {
      if (isClosed) throw new WarrenError('draining', 'the store is closed; the server is stopping');
      const turn = take(fn);
      running.add(turn);
      return turn.finally(() => running.delete(turn));
    },
    async close() {
      isClosed = true;
      await Promise.allSettled(running);
      await Promise.all(idle.map((layer) => layer.destroy()));
    },
  };
}
