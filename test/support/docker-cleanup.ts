/**
 * Ends the engines of a lab and everything they started. Synchronous, because the process may be ending; by what
 * processes show of themselves, because whoever started them may be dead: each of them has the engine's folder in its
 * arguments or among its mounts.
 */
import { existsSync, readFileSync, readdirSync, rmSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

/** `labDir`: the folder of a lab's run, whose hosts have their engines in `<host>/docker`. */
export function endEnginesNow(labDir: string): void {
  for (const host of entriesOf(labDir)) {
    const dir = join(labDir, host, 'docker');
    if (existsSync(dir)) endEngineNow(dir);
  }
}

function endEngineNow(dir: string): void {
  const ids = entriesOf(join(dir, 'data/containers'));
  // Shims start processes while they are being ended, so until none is left.
  for (let round = 0; round < 50; round += 1) {
    const pids = processesOf(dir);
    if (pids.length === 0) break;
    for (const pid of pids) kill(pid);
  }
  const groups = entriesOf('/sys/fs/cgroup').map((controller) => `/sys/fs/cgroup/${controller}/docker`);
  const own = groups.flatMap((group) => ids.map((id) => `${group}/${id}`));
  // Busy until somebody has waited for the processes that were in them.
  for (let round = 0; round < 50 && own.some((folder) => existsSync(folder)); round += 1) {
    if (round > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 40);
    own.forEach(removeFolder);
  }
  groups.forEach(removeFolder);
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
}

function processesOf(dir: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid && !isZombie(entry))
    .filter((entry) => ['cmdline', 'mountinfo'].some((file) => textOf(`/proc/${entry}/${file}`).includes(`${dir}/`)))
    .map(Number);
}

const isZombie = (pid: string): boolean => /^State:\s+[ZX]/m.test(textOf(`/proc/${pid}/status`));

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function entriesOf(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function removeFolder(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Not there, or another engine's.
  }
}
