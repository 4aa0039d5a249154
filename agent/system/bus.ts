/**
 * D-Bus by `busctl`, which comes with systemd. A daemon that does not run is not started by asking it, and only one that
 * lives in this agent's own network namespace is spoken to: indexes and names of links mean nothing to another.
 */
import { z } from 'zod';
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import type { System } from './run.ts';

/** A program that hangs must not hold up a pass for long. */
const timeoutMs = 5_000;

export interface BusObject {
  readonly service: string;
  readonly path: string;
  readonly interfaceName: string;
}

/** Throws `command-failed` with what the daemon said. */
export async function callBus(
  system: System,
  { service, path, interfaceName }: BusObject,
  method: string,
  signature = '',
  args: readonly string[] = [],
  limitMs = timeoutMs,
): Promise<unknown> {
  const call = ['call', service, path, interfaceName, method, ...(signature === '' ? [] : [signature, ...args])];
  const { stdout } = await system.run({ argv: ['busctl', ...options, ...call], timeoutMs: limitMs });
  return stdout.trim() === '' ? undefined : parseValue(stdout);
}

/** Values of properties, in the order of their names. */
export async function readProperties(
  system: System,
  { service, path, interfaceName }: BusObject,
  names: readonly string[],
): Promise<unknown[]> {
  const argv = ['busctl', ...options, 'get-property', service, path, interfaceName, ...names] as const;
  const { stdout } = await system.run({ argv, timeoutMs });
  return stdout.trim().split('\n').map(parseValue);
}

/** True where the daemon runs, and lives where this agent does. */
export async function isServiceHere(system: System, service: string): Promise<boolean> {
  try {
    const pid = z
      .tuple([z.int().positive()])
      .parse(await callBus(system, theBus, 'GetConnectionUnixProcessID', 's', [service]));
    const argv = ['stat', '-L', '-c', '%d:%i', `/proc/${pid[0]}/ns/net`, '/proc/self/ns/net'] as const;
    const [theirs, own] = (await system.run({ argv, timeoutMs })).stdout.trim().split('\n');
    return theirs !== undefined && theirs === own;
  } catch (error) {
    // No bus, nobody of that name, or gone meanwhile.
    const { code } = asWarrenError(error);
    if (code === 'program-missing' || code === 'command-failed' || code === 'timeout') return false;
    throw error;
  }
}

const options = ['--system', '--auto-start=no', '--json=short'] as const;

const theBus: BusObject = {
  service: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interfaceName: 'org.freedesktop.DBus',
};

/** `{"type":"a(iay)","data":…}`; of a call the data are a list, one for each value it answers. */
const valueSchema = z.object({ type: z.string(), data: z.unknown() });

export function parseValue(line: string): unknown {
  try {
    return valueSchema.parse(JSON.parse(line)).data;
  } catch (cause) {
    throw new WarrenError('command-failed', 'busctl printed something unknown', { cause });
  }
}
