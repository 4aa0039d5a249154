/** Which hooks there are, and whether they may be run: whoever can write one of them, or its folder, is root here. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { asWarrenError } from '../../shared/errors.ts';
import { isMissing } from '../durable.ts';
import { type HookName, hookNames } from './events.ts';

export interface FileFacts {
  readonly path: string;
  readonly isFile: boolean;
  readonly uid: number;
  /** Permission bits, sticky bit included. */
  readonly mode: number;
}

export type HookFile =
  | { readonly kind: 'none' }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'runnable'; readonly path: string; readonly stamp: string };

/** Names of the hooks in the folder; none where there is no folder. */
export async function listHooks(dir: string): Promise<ReadonlySet<HookName>> {
  try {
    const names = new Set(await readdir(dir));
    return new Set(hookNames.filter((name) => names.has(name)));
  } catch (error) {
    if (isMissing(error)) return new Set();
    throw error;
  }
}

export async function findHook(dir: string, name: HookName): Promise<HookFile> {
  try {
    const path = await realpath(join(dir, name));
    const file = await readFacts(path);
    const folders: FileFacts[] = [];
    for (let folder = dirname(path); ; folder = dirname(folder)) {
      folders.push(await readFacts(folder));
      if (folder === dirname(folder)) break;
    }
    const why = whyRefused(file, folders);
    return why === undefined ? { kind: 'runnable', path, stamp: file.stamp } : { kind: 'refused', why };
  } catch (error) {
    return isMissing(error) ? { kind: 'none' } : { kind: 'refused', why: asWarrenError(error).message };
  }
}

/** Pure; undefined where the file may be run. `folders` are all that lead to it. */
export function whyRefused(file: FileFacts, folders: readonly FileFacts[]): string | undefined {
  const { path } = file;
  if (!file.isFile) return `${path} is not a file; put an executable there, or take it away`;
  if (file.uid !== 0) return `${path} is not root's; run: chown root ${path}`;
  if ((file.mode & 0o022) !== 0) return `${path} can be written by others than root; run: chmod go-w ${path}`;
  if ((file.mode & 0o100) === 0) return `${path} is not executable; run: chmod +x ${path}`;
  const open = folders.find(({ uid, mode }) => uid !== 0 || ((mode & 0o022) !== 0 && (mode & 0o1000) === 0));
  if (open === undefined) return undefined;
  return `whoever writes in ${open.path} can change ${path}; run: chown root ${open.path}; chmod go-w ${open.path}`;
}

async function readFacts(path: string): Promise<FileFacts & { readonly stamp: string }> {
  const facts = await stat(path);
  const mode = facts.mode & 0o7777;
  return { path, isFile: facts.isFile(), uid: facts.uid, mode, stamp: `${facts.ino} ${facts.mtimeMs} ${mode}` };
}
