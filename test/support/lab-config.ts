/** What the laboratory takes from its surroundings: where the repository is, how `warren` is started, what is kept. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The same from the sources and from `dist/`. */
export const root = findRoot(dirname(fileURLToPath(import.meta.url)));

/** True keeps a lab's folder (logs, state) after it ended. */
export const isKept = process.env['WARREN_LAB_KEEP'] === '1';

/** Multiplies every deadline, for machines that are slow by nature (an emulated guest). */
export const patience = Number(process.env['WARREN_LAB_PATIENCE'] ?? 1);

function findRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json')) || folder === '/') return folder;
  return findRoot(dirname(folder));
}

/** The command that runs Warren: the one named, else what was built, else the sources where these are newer. */
export function warrenProgram(): string[] {
  const named = process.env['WARREN_LAB_PROGRAM'];
  if (named !== undefined) return named.split(' ');
  const built = join(root, 'dist/cli/warren.js');
  if (existsSync(built) && statSync(built).mtimeMs > newestSource()) return [process.execPath, built];
  return [process.execPath, '--import', import.meta.resolve('tsx'), join(root, 'cli/warren.ts')];
}

function newestSource(): number {
  return ['cli', 'server', 'agent', 'shared']
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(root, folder, file)),
    )
    .filter((file) => file.endsWith('.ts'))
    .reduce((newest, file) => Math.max(newest, statSync(file).mtimeMs), 0);
}
