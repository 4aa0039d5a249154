/**
 * `npm run build:agent`: makes the one executable that hosts get, for the machine's own architecture. Node's
 * single-executable application (https://nodejs.org/docs/latest-v20.x/api/single-executable-applications.html): the
 * command line as one script inside a copy of the node that runs this. The server's part is left out; a host needs none.
 * Writes `out/dist/`: the executable, the same compressed, and `manifest.json` with their SHA-256, which the server serves.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { machine } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { version } from '../../shared/version.ts';
import { bundle } from './bundle.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const workDir = join(root, 'out', 'build');
const distDir = join(root, 'out', 'dist');
/** Node looks for it in its own executable; fixed by its documentation. */
const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

async function build(): Promise<void> {
  await mkdir(workDir, { recursive: true });
  await mkdir(distDir, { recursive: true });
  const script = join(workDir, 'warren.cjs');
  await bundle(root, script);
  const blob = await makeBlob(script);
  const name = `warren-linux-${machine()}`;
  const executable = join(workDir, name);
  await makeExecutable(executable, blob);
  await publish(name, executable);
}

async function makeBlob(script: string): Promise<Buffer> {
  const output = join(workDir, 'sea.blob');
  const config = join(workDir, 'sea.json');
  const settings = { main: script, output, disableExperimentalSEAWarning: true, useCodeCache: true };
  await writeFile(config, JSON.stringify(settings));
  await run(process.execPath, ['--experimental-sea-config', config]);
  return readFile(output);
}

async function makeExecutable(executable: string, blob: Buffer): Promise<void> {
  await rm(executable, { force: true });
  await copyFile(process.execPath, executable);
  await chmod(executable, 0o755);
  // Symbols are a tenth of node's size. Before the blob goes in: strip would drop the note that holds it.
  await run('strip', [executable]).catch((cause: unknown) => {
    throw new Error('strip failed; install binutils', { cause });
  });
  const { inject } = await import('postject');
  await inject(executable, 'NODE_SEA_BLOB', blob, { sentinelFuse: fuse });
  const { stdout, stderr } = await run(executable, ['version']);
  if (stdout !== `warren ${version}\n` || stderr !== '') {
    throw new Error(`the executable that was made does not start well: ${stdout}${stderr}`);
  }
}

async function publish(name: string, executable: string): Promise<void> {
  const bytes = await readFile(executable);
  const packed = await promisify(gzip)(bytes, { level: constants.Z_BEST_COMPRESSION });
  const packedName = `${name}.gz`;
  await place(packedName, packed, 0o644);
  await place(name, bytes, 0o755);
  const manifest = {
    version,
    builds: [
      {
        machine: machine(),
        executable: { file: name, sha256: sha256(bytes), bytes: bytes.length },
        packed: { file: packedName, sha256: sha256(packed), bytes: packed.length },
      },
    ],
  };
  await place('manifest.json', Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`), 0o644);
  await rm(executable);
  for (const { file } of [manifest.builds[0]?.executable, manifest.builds[0]?.packed].flatMap((one) => one ?? [])) {
    process.stdout.write(
      `${join('out', 'dist', file)}  ${((await stat(join(distDir, file))).size / 1e6).toFixed(1)} MB\n`,
    );
  }
}

/** By rename, so that a server never serves half a file. */
async function place(name: string, bytes: Buffer, mode: number): Promise<void> {
  const path = join(distDir, name);
  await writeFile(`${path}.new`, bytes);
  await chmod(`${path}.new`, mode);
  await rename(`${path}.new`, path);
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

await build();
