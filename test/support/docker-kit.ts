/**
 * Where the engines of the tests come from: Debian's own, a later one that `test/setup.sh` unpacked, and Docker 29, which
 * no suite of Debian has: `dockerd` built from the module github.com/moby/moby/v2 (`CGO_ENABLED=0 go build
 * -ldflags '-X github.com/moby/moby/v2/dockerversion.Version=29.5.0-dev' ./cmd/dockerd`, go 1.26, moby of August 2026),
 * put into `.cache/docker/29/bin` by hand, beside the later one's other programs (client, containerd, …) as links.
 */
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

export type EngineVersion = '20' | '28' | '29';

export function engineOf(version: EngineVersion): Engine {
  const imageFile = join(cache, 'image.tar');
  if (!existsSync(imageFile)) throw new Error(`${imageFile} is missing; run sh test/setup.sh`);
  if (version === '20') return { docker: '/usr/bin/docker', path: '/usr/sbin:/usr/bin', imageFile };
  const bin = join(cache, version, 'bin');
  const remedy = version === '28' ? 'run sh test/setup.sh' : 'see test/support/docker-kit.ts';
  if (!existsSync(join(bin, 'dockerd'))) throw new Error(`${bin} holds no Docker engine; ${remedy}`);
  return { docker: join(bin, 'docker'), path: bin, imageFile };
}

/** Why the engine cannot be had; undefined where it can. */
export function whyNoEngine(version: EngineVersion): string | undefined {
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
