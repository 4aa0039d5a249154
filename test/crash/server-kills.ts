/**
 * Kills a server at named points while somebody changes things, again and again on one state, and looks at what is left.
 * A change counts once it was acknowledged; one that was not is tried again under the same idempotency key.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { listAudit } from '../../shared/api/audit.ts';
import { everyItem } from '../../shared/api/client.ts';
import { createHost, listHosts } from '../../shared/api/hosts.ts';
import { showMesh } from '../../shared/api/status.ts';
import type { CrashPoint } from '../../shared/crash-points.ts';
import { WarrenError } from '../../shared/errors.ts';
import { type HostName, parseHostName } from '../../shared/names.ts';
import { inspectDatabase } from '../../server/store/inspect.ts';
import { type ServerProcess, startServerProcess } from '../cli/server-process.ts';

export interface Kill {
  readonly point: CrashPoint;
  /** The how-manieth time it gets there. */
  readonly nth: number;
}

export interface KillReport {
  readonly kills: number;
  /** Names acknowledged that are not there exactly once, on record exactly once. */
  readonly wrong: readonly string[];
  readonly problems: readonly string[];
  readonly isRevisionMonotonic: boolean;
  /** Files in directories of backups that are neither whole nor to be cleaned up by the next backup. */
  readonly strangeFiles: readonly string[];
}

interface Change {
  readonly name: HostName;
  readonly idempotencyKey: string;
}

export async function killServer(t: TestContext, directory: string, kills: readonly Kill[]): Promise<KillReport> {
  const state = join(directory, 'state');
  const acknowledged: string[] = [];
  const revisions: number[] = [];
  let pending: Change | undefined;
  let count = 0;

  const changeUntilDead = async (server: ServerProcess): Promise<void> => {
    for (;;) {
      pending ??= { name: parseHostName(`host-${(count += 1)}`), idempotencyKey: randomUUID() };
      const { name, idempotencyKey } = pending;
      try {
        await server.admin(createHost, { body: { name }, idempotencyKey });
        acknowledged.push(name);
        pending = undefined;
        revisions.push((await server.admin(showMesh, {})).revision);
      } catch (error) {
        if (error instanceof WarrenError) throw error;
        return;
      }
    }
  };

  for (const [index, { point, nth }] of kills.entries()) {
    const isBackup = point.startsWith('backup.');
    const backups = join(directory, `backups-${index}`);
    const env = { WARREN_CRASH_AT: `${point}:${nth}`, ...(isBackup ? { WARREN_BACKUP_DIR: backups } : {}) };
    let isEnded = false;
    const server = await startServerProcess(t, { state, env, mayEnd: true });
    void server.ended.then(() => (isEnded = true));
    if (!isBackup) await changeUntilDead(server);
    const { signal } = await server.ended;
    if (!isEnded || signal !== 'SIGKILL') throw new Error(`not killed at ${point}: ${server.stderr()}`);
  }
  const server = await startServerProcess(t, { state });
  const hosts: string[] = [];
  for await (const { name } of everyItem((query) => server.admin(listHosts, { query }))) hosts.push(name);
  const onRecord: string[] = [];
  for await (const entry of everyItem((query) => server.admin(listAudit, { query }))) {
    const { name } = entry.detail;
    if (entry.action === createHost.id && typeof name === 'string') onRecord.push(name);
  }
  const isOnce = (all: readonly string[], name: string): boolean => all.filter((one) => one === name).length === 1;
  revisions.push((await server.admin(showMesh, {})).revision);
  server.kill('SIGTERM');
  await server.ended;
  return {
    kills: kills.length,
    wrong: acknowledged.filter((name) => !isOnce(hosts, name) || !isOnce(onRecord, name)),
    problems: inspectDatabase(join(state, 'warren.db')).problems,
    isRevisionMonotonic: revisions.every((revision, index) => index === 0 || revision >= (revisions[index - 1] ?? 0)),
    strangeFiles: strangeFiles(directory),
  };
}

function strangeFiles(directory: string): string[] {
  mkdirSync(directory, { recursive: true });
  return readdirSync(directory)
    .filter((name) => name.startsWith('backups-'))
    .flatMap((name) => readdirSync(join(directory, name)))
    .filter((name) => !/^warren-\d{8}T\d{6}Z\.db(\.partial(-wal|-shm|-journal)?)?$/.test(name));
}
