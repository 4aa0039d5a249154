/**
 * A rehearsal: a backup is restored into a directory that nobody uses, opened as a server would open it, looked through
 * and thrown away. It reads no configuration and knows no live state, so it can run anywhere.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WarrenError } from '../../shared/errors.ts';
import { readMap } from '../feed/frames.ts';
import { loadOrCreateAuthority } from '../pki/authority.ts';
import { createStoreKeys } from '../pki/store-keys.ts';
import { type Inspection, inspectDatabase } from '../store/inspect.ts';
import { listWorkingKeys } from '../store/keys.ts';
import { type Store, openStore } from '../store/open.ts';
import { restoreBackup } from '../store/restore.ts';
import type { BackupKey } from './keys.ts';
import { withOpenBackup } from './open-backup.ts';

export interface DrillReport extends Inspection {
  /** Of the backup, before the drill gave it an epoch. */
  readonly revision: number;
  /** True when the backup was sealed and the key opened it. */
  readonly isSealed: boolean;
  /** SHA-256 pin of the CA that hosts and tokens trust. */
  readonly caPin: string | undefined;
}

export interface DrillOptions {
  readonly file: string;
  readonly key: BackupKey | undefined;
  readonly now: number;
  /** Where the rehearsal takes place; by default the system's directory for what is temporary. */
  readonly scratch?: string;
}

/** Throws what `restore` would throw; what is wrong inside of a backup that opens is in the report. */
export async function drillBackup({ file, key, now, scratch = tmpdir() }: DrillOptions): Promise<DrillReport> {
  const directory = await mkdtemp(join(scratch, 'warren-drill-'));
  const clock = { now: () => now };
  try {
    return await withOpenBackup({ file, key, draft: join(directory, 'opened.db') }, async (backupFile, isSealed) => {
      const database = join(directory, 'warren.db');
      const restored = restoreBackup({ backupFile, file: database, clock, random: randomBytes });
      const inspection = inspectDatabase(database);
      const store = await openStore({ file: database, clock, random: randomBytes });
      const { caPin, problems } = await serveOnce(store, now);
      await store.close();
      const all = [...inspection.problems, ...problems];
      return { ...inspection, problems: all, revision: restored.revision - 1, isSealed, caPin };
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** What a server does first: load its authority, let an admin in, make the map that every host asks for. */
async function serveOnce(store: Store, now: number): Promise<{ caPin: string | undefined; problems: string[] }> {
  const problems: string[] = [];
  const attempt = async <T>(part: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await part();
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };
  const clock = { now: () => now };
  const keys = {
    load: (name: string) => createStoreKeys(store).load(name),
    save: () => Promise.reject(new WarrenError('state-corrupt', 'the CA is missing')),
  };
  const authority = await attempt(() => loadOrCreateAuthority({ keys, clock, random: randomBytes }));
  await attempt(() => readMap(store));
  const admins = await attempt(() => listWorkingKeys(store.db, 'admin', now));
  if (admins?.length === 0)
    problems.push('no admin key of it works any more; the server makes a new first key when it starts');
  return { caPin: authority?.caPin, problems };
}
