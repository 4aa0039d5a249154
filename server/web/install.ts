/**
 * The install script with this server's address, pin and checksums filled in. The values stand between single quotes in
 * a script that root runs, so each is held against a grammar that knows no quote, whatever checked it before.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { pinSchema } from '../../shared/token.ts';
import type { Manifest } from './dist-files.ts';
import { packageRoot } from '../package-root.ts';

export interface InstallValues {
  readonly serverUrl: string;
  /** SHA-256 of the TLS key's SubjectPublicKeyInfo, base64; what curl(1) `--pinnedpubkey` takes. */
  readonly serverPin: string;
  readonly version: string;
  readonly builds: Manifest['builds'];
}

export interface InstallTemplate {
  readonly script: string;
  readonly unit: string;
}

const plainUrlSchema = z.string().regex(/^https:\/\/[A-Za-z0-9.:[\]-]{1,255}$/);
const plainVersionSchema = z.string().regex(/^[0-9A-Za-z.+-]{1,64}$/);

export async function readInstallTemplate(): Promise<InstallTemplate> {
  const folder = join(packageRoot, 'agent', 'install');
  const [script, unit] = await Promise.all([
    readFile(join(folder, 'install.sh'), 'utf8'),
    readFile(join(folder, 'warren-agent.service'), 'utf8'),
  ]);
  return { script, unit };
}

export function renderInstallScript({ script, unit }: InstallTemplate, values: InstallValues): string {
  const builds = values.builds.map(({ machine, packed, executable }) =>
    [machine, packed.file, packed.sha256, executable.sha256].join(' '),
  );
  const filled: Record<string, string> = {
    SERVER_URL: plainUrlSchema.parse(values.serverUrl),
    SERVER_PIN: pinSchema.parse(values.serverPin),
    VERSION: plainVersionSchema.parse(values.version),
    BUILDS: builds.join('\n'),
    UNIT: unit.trimEnd(),
  };
  return script.replace(/@([A-Z_]+)@/g, (mark, name: string) => filled[name] ?? mark);
}
