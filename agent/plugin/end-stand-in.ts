/** A stand-in whose agent is gone is told apart from every other process, and ended, when the host leaves the mesh. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentSettings } from '../config.ts';
import { readIfThere } from '../durable.ts';
import { isAnswered } from '../unix-socket.ts';

/** What tells a stand-in by its arguments. */
export const standInFlag = '--drivers-only';

export const pidFileOf = (runDir: string): string => join(runDir, 'drivers.pid');

export const logFileOf = (runDir: string): string => join(runDir, 'drivers.log');

const longestEndMs = 3_000;

/** Takes away the socket where nobody answers on it. */
export async function endStandIn({ runDir, pluginSocket }: AgentSettings): Promise<void> {
  const pid = Number((await readIfThere(pidFileOf(runDir)))?.trim() ?? 0);
  if (pid > 1 && (await isStandIn(pid))) {
    signalGroup(pid, 'SIGTERM');
    for (let waited = 0; waited < longestEndMs && signalGroup(pid, 0); waited += 20) await sleep(20);
    signalGroup(pid, 'SIGKILL');
  }
  for (const path of [pidFileOf(runDir), logFileOf(runDir)]) await rm(path, { force: true });
  if (pluginSocket !== undefined && !(await isAnswered(pluginSocket))) await rm(pluginSocket, { force: true });
}

/** Ids are used again; a process of somebody else has other arguments. */
async function isStandIn(pid: number): Promise<boolean> {
  const text = await readIfThere(`/proc/${pid}/cmdline`).catch(() => undefined);
  return text?.split('\0').includes(standInFlag) ?? false;
}

/** False when nobody is in the group any more. */
function signalGroup(leader: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-leader, signal);
    return true;
  } catch {
    return false;
  }
}
