/** Where the engines of the tests come from: Debian's own, and a later one that `test/setup.sh` unpacked. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lab-config.ts';

export interface Engine {
  /** The client program. */
  readonly docker: string;
  /** Folder to stand first in PATH for the daemon; empty: the system's programs. */
  readonly path: string;
  /** A root file system as a tar archive. */
  readonly imageFile: string;
}

const cache = join(root, '.cache/docker');

export function engineOf(version: '20' | '28'): Engine {
  const imageFile = join(cache, 'image.tar');
  if (!existsSync(imageFile)) throw new Error(`${imageFile} is missing; run sh test/setup.sh`);
  if (version === '20') return { docker: '/usr/bin/docker', path: '/usr/sbin:/usr/bin', imageFile };
  const bin = join(cache, '28/bin');
  if (!existsSync(join(bin, 'dockerd'))) throw new Error(`${bin} holds no Docker engine; run sh test/setup.sh`);
  return { docker: join(bin, 'docker'), path: bin, imageFile };
}

/** Why the engine cannot be had; undefined where it can. */
export function whyNoEngine(version: '20' | '28'): string | undefined {
  try {
    engineOf(version);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Docker Compose 2, which `test/setup.sh` unpacked; undefined where it could not be had. */
export function composeProgram(): string | undefined {
  const program = join(cache, 'docker-compose');
  return existsSync(program) ? program : undefined;
}
