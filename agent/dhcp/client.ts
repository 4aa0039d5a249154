/**
 * The DHCP client of one interface: busybox's udhcpc, in the interface's network namespace and the host's file system. It
 * lives on without the agent, and is known again by its process id and command line. dhclient and dhcpcd are not used:
 * the one is no longer maintained, the other keeps one client per interface name and machine, whatever the namespace.
 */
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { WarrenError } from '../../shared/errors.ts';
import type { InterfaceName } from '../../shared/names.ts';
import { isMissing, readIfThere } from '../durable.ts';
import type { Argv, System } from '../system/run.ts';
import { readLastAddress } from './lease.ts';

export interface ClientWish {
  /** Short stable hash (`[0-9a-z]{1,12}`) of the attachment; names the client's files. */
  readonly id: string;
  readonly netnsPath: string;
  /** As `Attachment.place` has it. */
  readonly namespace: string;
  readonly interfaceName: InterfaceName;
  /** Shares its MAC address with others: the server must tell them apart by something else. */
  readonly isMacShared: boolean;
}

export interface RunningClient {
  readonly id: string;
  readonly pid: number;
  /** Undefined where it ended meanwhile. */
  readonly namespace: string | undefined;
}

const pidFile = (folder: string, id: string): string => join(folder, `${id}.pid`);
export const leaseFile = (folder: string, id: string): string => join(folder, `${id}.lease`);
const lastFile = (folder: string, id: string): string => `${leaseFile(folder, id)}.last`;

const noClient =
  'this host has no DHCP client that Warren knows; install busybox, which has udhcpc (Debian: apt-get install busybox)';

/** The words that run udhcpc here. Throws `program-missing`. */
export async function findUdhcpc(system: System): Promise<Argv> {
  try {
    const { stdout } = await system.run({ argv: ['busybox', '--list'] });
    if (stdout.split('\n').includes('udhcpc')) return ['busybox', 'udhcpc'];
  } catch (error) {
    if (!(error instanceof WarrenError) || error.code !== 'program-missing') throw error;
  }
  try {
    await system.run({ argv: ['udhcpc', '--help'], okCodes: [0, 1] });
    return ['udhcpc'];
  } catch (error) {
    if (error instanceof WarrenError && error.code === 'program-missing') throw new WarrenError(error.code, noClient);
    throw error;
  }
}

/** Four tries a second apart, then again every 3 s for as long as nobody answers. Releases the lease on SIGTERM. */
export function clientArgv(
  udhcpc: Argv,
  { id, netnsPath, interfaceName, isMacShared }: ClientWish,
  { folder, hook, last }: { folder: string; hook: string; last: string | undefined },
): Argv {
  const alone = ['setsid', '--fork', 'env', `WARREN_LEASE=${leaseFile(folder, id)}`] as const;
  const manner = ['-f', '-R', '-t', '4', '-T', '1', '-A', '3'];
  const place = ['-i', interfaceName, '-s', hook, '-p', pidFile(folder, id)];
  return [
    ...alone,
    'nsenter',
    `--net=${netnsPath}`,
    ...udhcpc,
    ...manner,
    ...place,
    // RFC 2132 section 9.14: type 0 is no hardware address, but a text of one's own.
    ...(isMacShared ? ['-B', '-C', '-x', `0x3d:00${Buffer.from(id).toString('hex')}`] : []),
    ...(last === undefined ? [] : ['-r', last]),
  ];
}

/** Resolves when it runs. Throws `command-failed` where it ended at once. */
export async function startClient(
  system: System,
  udhcpc: Argv,
  wish: ClientWish,
  paths: { readonly folder: string; readonly hook: string },
): Promise<void> {
  const { folder } = paths;
  await rm(pidFile(folder, wish.id), { force: true });
  const last = readLastAddress((await readIfThere(lastFile(folder, wish.id))) ?? '');
  await system.run({ argv: clientArgv(udhcpc, wish, { ...paths, last }), isDetached: true });
  const isRunning = await within(5_000, async () => (await lookAtClient(folder, wish.id)) !== undefined);
  if (!isRunning) throw new WarrenError('command-failed', `udhcpc ended at once on ${wish.interfaceName}`);
}

/** Undefined where it does not run. */
export async function lookAtClient(folder: string, id: string): Promise<RunningClient | undefined> {
  const pid = Number((await readIfThere(pidFile(folder, id)))?.trim());
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  try {
    // Another process may have the number by now.
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
    if (!words.includes(pidFile(folder, id))) return undefined;
    const { dev, ino } = await stat(`/proc/${pid}/ns/net`);
    return { id, pid, namespace: `${dev}:${ino}` };
  } catch (error) {
    if (isMissing(error) || isVanishing(error)) return undefined;
    throw error;
  }
}

/** `isReleased`: the server is told, and the address not asked for again. */
export async function stopClient(folder: string, { id, pid }: RunningClient, isReleased: boolean): Promise<void> {
  const isGone = async (): Promise<boolean> => (await lookAtClient(folder, id)) === undefined;
  if (isReleased) signal(pid, 'SIGTERM');
  if (!isReleased || !(await within(3_000, isGone))) signal(pid, 'SIGKILL');
  if (!(await within(3_000, isGone))) {
    throw new WarrenError('command-failed', `the DHCP client with process id ${pid} does not end`);
  }
}

export async function forgetLease(folder: string, id: string, isLastKept: boolean): Promise<void> {
  const files = [pidFile(folder, id), leaseFile(folder, id), ...(isLastKept ? [] : [lastFile(folder, id)])];
  for (const file of files) await rm(file, { force: true });
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!isVanishing(error)) throw error;
  }
}

const isVanishing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ESRCH';

async function within(milliseconds: number, isSo: () => Promise<boolean>): Promise<boolean> {
  const end = Date.now() + milliseconds;
  while (!(await isSo())) {
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}
