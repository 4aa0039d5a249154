/** What an admin's machine keeps of locks: the private key, and of each server's log how far it was seen. */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';
import { type LockHead, lockHeadSchema } from '../../shared/lock/log.ts';
import type { Io } from '../command.ts';

export interface Places {
  readonly keyFile: string;
  readonly seenFile: string;
}

export function placesOf(env: Io['env'], given?: string): Places {
  const config = env['XDG_CONFIG_HOME'] || (env['HOME'] ? join(env['HOME'], '.config') : undefined);
  const keyFile = given ?? (env['WARREN_LOCK_KEY'] || (config && join(config, 'warren', 'lock.key')));
  if (keyFile === undefined) {
    throw new WarrenError(
      'usage-invalid',
      'where is the key of the lock? give --lock-key FILE, or set WARREN_LOCK_KEY',
    );
  }
  return { keyFile, seenFile: `${keyFile}.seen` };
}

const seenSchema = z.record(z.string(), lockHeadSchema);

/** By the server's URL. */
export async function readSeen({ seenFile }: Places, serverUrl: string): Promise<LockHead | undefined> {
  return (await readAll(seenFile))[serverUrl];
}

/** The root of the lock that this machine has seen of the server, where it has a place to keep such. */
export async function seenRoot(env: Io['env'], serverUrl: string): Promise<string | undefined> {
  if (!env['HOME'] && !env['XDG_CONFIG_HOME'] && !env['WARREN_LOCK_KEY']) return undefined;
  return (await readSeen(placesOf(env), serverUrl))?.root;
}

export async function writeSeen({ seenFile }: Places, serverUrl: string, head: LockHead): Promise<void> {
  const all = { ...(await readAll(seenFile)), [serverUrl]: head };
  await replacePrivately(seenFile, `${JSON.stringify(all, undefined, 2)}\n`);
}

export async function forgetSeen({ seenFile }: Places, serverUrl: string): Promise<void> {
  const { [serverUrl]: _gone, ...rest } = await readAll(seenFile);
  await replacePrivately(seenFile, `${JSON.stringify(rest, undefined, 2)}\n`);
}

async function readAll(file: string): Promise<Record<string, LockHead>> {
  const text = await readIfThere(file);
  if (text === undefined) return {};
  try {
    return seenSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new WarrenError(
      'state-corrupt',
      `${file} is damaged; put it back from a backup, or remove it and give --root`,
      {
        cause,
      },
    );
  }
}

export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable';
    if (code === 'ENOENT') return undefined;
    throw new WarrenError('usage-invalid', `${file} cannot be read (${code})`, { cause });
  }
}

/** A file that must not be there yet, for its owner alone. */
export async function createPrivately(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeWhole(file, text, 'wx');
}

async function replacePrivately(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}`;
  try {
    await writeWhole(draft, text, 'w');
    await rename(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
}

async function writeWhole(file: string, text: string, flags: 'w' | 'wx'): Promise<void> {
  const handle = await open(file, flags, 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
