/**
 * The executables that hosts download, as `npm run build:agent` leaves them. The manifest is the list of what may be
 * served: a name that it does not hold is not looked for, so no path of a caller ever reaches the file system.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';

const fileSchema = z.strictObject({
  file: z.string().regex(/^warren-linux-[a-z0-9_]{1,20}(\.gz)?$/),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.int().min(1),
});
export type DistFile = z.infer<typeof fileSchema>;

const buildSchema = z.strictObject({
  /** As `uname -m` says it. */
  machine: z.string().regex(/^[a-z0-9_]{1,20}$/),
  executable: fileSchema,
  /** The same, gzip. */
  packed: fileSchema,
});

const manifestSchema = z.strictObject({
  version: z.string().regex(/^[0-9A-Za-z.+-]{1,64}$/),
  builds: z.array(buildSchema).min(1).max(16),
});
export type Manifest = z.infer<typeof manifestSchema>;

export interface Dist {
  readonly directory: string;
  readonly manifest: Manifest;
}

export const manifestName = 'manifest.json';

/** Undefined where there is no manifest. Read anew each time: a build may come later. */
export async function readDist(directory: string): Promise<Dist | undefined> {
  const text = await readIfThere(join(directory, manifestName));
  return text === undefined ? undefined : { directory, manifest: parseManifest(directory, text) };
}

/** The file's path and its entry; undefined when the manifest does not name it. */
export async function findDistFile(dist: Dist, name: string): Promise<{ path: string; entry: DistFile } | undefined> {
  const entry = dist.manifest.builds.flatMap((one) => [one.executable, one.packed]).find((one) => one.file === name);
  if (entry === undefined) return undefined;
  const path = join(dist.directory, entry.file);
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() === true && found.size === entry.bytes) return { path, entry };
  throw new WarrenError('internal', `${path} is not the file its manifest tells of; run 'npm run build:agent' again`);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    throw error;
  }
}

function parseManifest(directory: string, text: string): Manifest {
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch (cause) {
    const path = join(directory, manifestName);
    throw new WarrenError('internal', `${path} is damaged; run 'npm run build:agent' again`, { cause });
  }
}
