/**
 * One process at a time through a few file operations, by a directory that only one can make. Who died inside is
 * waited for no longer than a whole passage could ever take.
 */
import { mkdir, rename, rmdir, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMissing } from '../durable.ts';

const longestMs = 5_000;

export async function inTurn<T>(path: string, work: () => Promise<T>): Promise<T> {
  while (!(await take(path))) {
    await dropIfAbandoned(path);
    await sleep(5 + Math.random() * 15);
  }
  try {
    return await work();
  } finally {
    await remove(path);
  }
}

async function take(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Moved before it is removed, so that of several who find it abandoned one alone removes it. */
async function dropIfAbandoned(path: string): Promise<void> {
  const aside = `${path}.${process.pid}.abandoned`;
  try {
    if (Date.now() - (await stat(path)).mtimeMs < longestMs) return;
    await rename(path, aside);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  await remove(aside);
}

async function remove(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
