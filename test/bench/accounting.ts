/** What processes and the machine have used, read from /proc (proc(5)). */
import { readFile } from 'node:fs/promises';

/** USER_HZ, which is 100 on every Linux architecture Node runs on. */
const ticksPerSecond = 100;

/** CPU seconds a process has used, all its threads together; 0 when it is gone. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const fields = await statFields(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond;
}

/** The same with the children it has waited for. */
export async function cpuSecondsWithChildrenOf(pid: number): Promise<number> {
  const fields = await statFields(pid);
  return [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i] ?? 0), 0) / ticksPerSecond;
}

/** From `state` on, which is field 3 of proc(5). */
async function statFields(pid: number): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** CPU seconds the whole machine has spent on anything but idling and waiting for disks. */
export async function cpuSecondsOfMachine(): Promise<number> {
  const [line = ''] = (await readFile('/proc/stat', 'utf8')).split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line.split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq) / ticksPerSecond;
}

/** Resident memory in MiB; 0 when the process is gone. */
export async function rssMibOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) / 1024;
}
