/**
 * Network namespaces of a test: made, entered by `nsenter` (`ip netns exec` remounts /sys and costs twice as much),
 * emptied of processes and deleted. Knows nothing of Warren.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { type CommandOptions, type CommandResult, ipBatch, run } from './command.ts';

const folder = '/run/netns';

/** The command line that runs `argv` inside a namespace. */
export function inside(namespace: string, argv: readonly string[]): string[] {
  return ['nsenter', `--net=${folder}/${namespace}`, ...argv];
}

export function runInside(
  namespace: string,
  argv: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return run(inside(namespace, argv), options);
}

export async function makeNamespace(name: string): Promise<void> {
  await ipBatch([`netns add ${name}`]);
  await ipBatch(['link set lo up'], name);
}

export function listNamespaces(prefix: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.startsWith(prefix));
  } catch {
    return [];
  }
}

/** Ends every process in the namespaces and deletes them. Synchronous, so that it also works while the process exits. */
export function deleteNamespacesNow(names: readonly string[]): void {
  killInsideNow(names);
  if (names.length === 0) return;
  spawnSync('ip', ['-force', '-batch', '-'], { input: names.map((name) => `netns del ${name}\n`).join('') });
}

/** Twice, because a process may have started another one while the first round went on. */
function killInsideNow(names: readonly string[]): void {
  for (let round = 0; round < 2; round += 1) {
    for (const pid of pidsInside(names)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself meanwhile.
      }
    }
  }
}

/** Ids of the processes whose network namespace is one of these. */
export function pidsInside(names: readonly string[]): number[] {
  const wanted = new Set(names.flatMap(inodeOf));
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => pid !== process.pid && wanted.has(namespaceOf(pid)));
}

function inodeOf(name: string): string[] {
  try {
    return [`net:[${statSync(`${folder}/${name}`).ino}]`];
  } catch {
    return [];
  }
}

function namespaceOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return '';
  }
}
