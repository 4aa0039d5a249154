/** The server's state directory: what lies in it, and that nobody else can read it. */
import { access, chmod, constants, mkdir, open, readFile, readdir, rename, stat } from 'node:fs/promises';
import { renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { WarrenError } from '../shared/errors.ts';
import type { KeyFile } from './keys/first-key.ts';

export interface StatePaths {
  readonly database: string;
  /** The first admin key, for whoever administers on this machine. */
  readonly adminKey: string;
  /** A copy of the CA's certificate; people take it along to pin the server. */
  readonly caCertificate: string;
}

export function statePaths(stateDir: string): StatePaths {
  return {
    database: join(stateDir, 'warren.db'),
    adminKey: join(stateDir, 'admin.key'),
    caCertificate: join(stateDir, 'ca.crt'),
  };
}

/**
 * Makes the directory, or closes it where others could read it: 0700, files 0600. Answers what was closed, for the log.
 * Throws `privilege-missing`.
 */
export async function prepareStateDir(stateDir: string): Promise<string[]> {
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    await access(stateDir, constants.W_OK);
    const names = (await readdir(stateDir)).filter((name) => name !== 'ca.crt').map((name) => join(stateDir, name));
    const closed = await Promise.all([stateDir, ...names].map(closeToOthers));
    return closed.filter((path) => path !== undefined);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'unknown';
    throw new WarrenError('privilege-missing', `the state directory ${stateDir} cannot be used: ${why}; see --state`, {
      cause,
    });
  }
}

/** Takes away what group and others may do; the path when there was something. */
async function closeToOthers(path: string): Promise<string | undefined> {
  const { mode } = await stat(path);
  if ((mode & 0o077) === 0) return undefined;
  await chmod(path, mode & 0o700);
  return path;
}

/** Writes the old content or the new one, never a part, whenever the machine stops. */
/**
 * Replaces the CA's copy without a moment in between, for the server goes on with the new CA in the same turn. The store
 * holds the original, so the disk may take its time.
 */
export function replaceCaFile(path: string, pem: string): void {
  writeFileSync(`${path}.new`, pem, { mode: 0o644 });
  renameSync(`${path}.new`, path);
}

/** Replaces the file whole; it is on the disk when this resolves. */
export async function writeStateFile(path: string, content: string, mode = 0o600): Promise<void> {
  const draft = `${path}.new`;
  const file = await open(draft, 'w', mode);
  try {
    await file.chmod(mode);
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The place of the first admin key, as `keys/first-key.ts` uses it. */
export function keyFile(path: string): KeyFile {
  return {
    async read() {
      try {
        return await readFile(path, 'utf8');
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
        throw error;
      }
    },
    write: (text) => writeStateFile(path, text),
  };
}

/** Soft limit of open files, where the system tells it. Each stream takes one. */
export async function openFileLimit(): Promise<number | undefined> {
  const text = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const match = /^Max open files\s+(\d+)/m.exec(text);
  return match === null ? undefined : Number(match[1]);
}
