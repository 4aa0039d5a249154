/** Kernel switches below /proc/sys that planning looks at. */
import type { ObservedLink } from '../plan/observed.ts';
import { acceptRa, ipv4Forward, ipv6Forward, ipv6Switches } from '../plan/sysctls.ts';
import type { System } from './run.ts';

/** `accept_ra` is read only while IPv6 forwarding is off: once it is on, nothing is left to prepare. */
export async function readSysctls(
  system: System,
  links: ReadonlyMap<string, ObservedLink>,
): Promise<ReadonlyMap<string, string | undefined>> {
  const found = await readAll(system, [ipv4Forward, ipv6Forward, ...ipv6Switches]);
  if (found.get(ipv6Forward) !== '0') return found;
  const uplinks = [...links.values()].filter((link) => link.kind === undefined && !link.isLoopback);
  return new Map([
    ...found,
    ...(await readAll(
      system,
      uplinks.map((link) => acceptRa(link.name)),
    )),
  ]);
}

async function readAll(system: System, paths: readonly string[]): Promise<Map<string, string | undefined>> {
  return new Map(await Promise.all(paths.map(async (path) => [path, await system.readSysctl(path)] as const)));
}
