/**
 * Nothing of a lab survives it: not when a test fails, not on Ctrl-C, not when its process was killed. Each run has a
 * folder that names its owner; whoever starts next removes what belongs to owners that are gone.
 */
import { randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endEnginesNow } from './docker-cleanup.ts';
import { isKept } from './lab-config.ts';
import { deleteNamespacesNow, listNamespaces } from './namespace.ts';
import { isAlive, startTime } from './process.ts';

export interface Run {
  /** Five characters that name this run on the machine. */
  readonly id: string;
  readonly dir: string;
  end(): void;
}

const folderPrefix = 'warren-lab-';
const open = new Set<string>();

export const namespacePrefix = (id: string): string => `wl${id}-`;
export const interfacePrefix = (id: string): string => `w${id}`;

/** Throws where the process may not make namespaces. */
export function beginRun(): Run {
  if (process.getuid?.() !== 0) throw new Error('network namespaces need root; run this as root');
  removeLeftovers();
  watchForTheEnd();
  const id = Array.from({ length: 5 }, () => randomInt(36).toString(36)).join('');
  const dir = join(tmpdir(), folderPrefix + id);
  mkdirSync(dir, { mode: 0o700 });
  // Whole or not there: an empty one would read as an owner that is gone.
  writeFileSync(join(dir, 'owner.new'), `${process.pid} ${startTime(process.pid) ?? ''}`);
  renameSync(join(dir, 'owner.new'), join(dir, 'owner'));
  open.add(id);
  return { id, dir, end: () => removeRun(id, isKept) };
}

function removeRun(id: string, keepFiles = false): void {
  open.delete(id);
  endEnginesNow(join(tmpdir(), folderPrefix + id));
  deleteNamespacesNow(listNamespaces(namespacePrefix(id)));
  for (const file of filesOf('/var/run/wireguard')) {
    if (file.startsWith(interfacePrefix(id))) rmSync(join('/var/run/wireguard', file), { force: true });
  }
  if (!keepFiles) rmSync(join(tmpdir(), folderPrefix + id), { recursive: true, force: true });
}

function removeLeftovers(): void {
  for (const folder of filesOf(tmpdir())) {
    if (folder.startsWith(folderPrefix) && !hasOwner(join(tmpdir(), folder))) {
      removeRun(folder.slice(folderPrefix.length));
    }
  }
}

function hasOwner(dir: string): boolean {
  try {
    const [pid = '', time = ''] = readFileSync(join(dir, 'owner'), 'utf8').split(' ');
    return isAlive(Number(pid)) && startTime(Number(pid)) === time;
  } catch {
    // Another process may be between making the folder and writing the file; its next start will tell.
    return true;
  }
}

let isWatching = false;

function watchForTheEnd(): void {
  if (isWatching) return;
  isWatching = true;
  const removeAll = (): void => [...open].forEach((id) => removeRun(id, isKept));
  process.on('exit', removeAll);
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => process.exit(code));
  }
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
