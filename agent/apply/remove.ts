/**
 * Takes away everything the agent made on this host and nothing else; works when half of it is gone already. Links are
 * ours by their mark, the table by its name; routes and peers go with their link.
 */
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import type { ObservedLink } from '../plan/observed.ts';
import { zoneName } from '../plan/firewalld.ts';
import { type HostSettings, linkMark, relayTableName } from '../plan/settings.ts';
import { ipv4Forward, ipv6Forward } from '../plan/sysctls.ts';
import { runBatch, showLinks } from '../system/ip.ts';
import { removeIptables } from '../system/iptables.ts';
import { removeTable } from '../system/nft.ts';
import { removeFirewalld } from '../system/firewalld.ts';
import { forgetResolver } from '../system/resolved.ts';
import type { System } from '../system/run.ts';
import { showInterface } from '../system/wg.ts';

export interface Removal {
  /** What was left as it is, and why; for people. */
  readonly notes: readonly string[];
}

/** Throws `command-failed` after trying everything, when something of ours could not be removed. */
export async function removeAll(
  system: System,
  settings: HostSettings,
  previousSysctls: Readonly<Record<string, string>>,
): Promise<Removal> {
  const notes: string[] = [];
  const problems: string[] = [];
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      problems.push(asWarrenError(error).message);
    }
  };
  let links: ReadonlyMap<string, ObservedLink> = new Map();
  await attempt(async () => {
    links = await showLinks(system);
    await attempt(() => closeFirewalld(system, settings));
    await attempt(() => forgetNames(system, settings, links));
    problems.push(...(await removeLinks(system, settings, links, notes)));
  });
  await attempt(() => removeTable(system, settings.tableName));
  await attempt(() => removeTable(system, settings.tableName, 'bridge'));
  await attempt(() => removeTable(system, relayTableName(settings.tableName), 'ip'));
  await attempt(() => removeTable(system, relayTableName(settings.tableName), 'ip6'));
  await attempt(() => removeIptables(system, linkMark(settings)));
  await attempt(() => restoreSysctls(system, links, settings, previousSysctls, notes));
  if (problems.length > 0)
    throw new WarrenError('command-failed', `not everything was removed: ${problems.join('; ')}`);
  return { notes };
}

async function closeFirewalld(system: System, settings: HostSettings): Promise<void> {
  const { firewalldFolder: folder, tableName } = settings;
  if (folder === undefined) return;
  await removeFirewalld(system, folder, zoneName(tableName), linkMark(settings));
}

/** Before the tunnel goes, which its words in resolved hang on. */
async function forgetNames(
  system: System,
  { interfaceName, resolvedFolder, ...settings }: HostSettings,
  links: ReadonlyMap<string, ObservedLink>,
): Promise<void> {
  const link = links.get(interfaceName);
  if (link === undefined || link.alias !== linkMark(settings) || resolvedFolder === undefined) return;
  await forgetResolver(system, resolvedFolder, link.index);
}

async function removeLinks(
  system: System,
  settings: HostSettings,
  links: ReadonlyMap<string, ObservedLink>,
  notes: string[],
): Promise<string[]> {
  const mark = linkMark(settings);
  const names: string[] = [];
  for (const link of links.values()) if (link.alias === mark) names.push(link.name);
  const tunnel = links.get(settings.interfaceName);
  if (tunnel !== undefined && tunnel.alias !== mark) {
    if (await isOurTunnel(system, settings, tunnel)) names.push(tunnel.name);
    else notes.push(`${tunnel.name} was not made by this agent and stays`);
  }
  const bridge = links.get(settings.bridgeName);
  if (bridge !== undefined && bridge.alias !== mark) notes.push(`${bridge.name} was not made by this agent and stays`);
  const { failures } = await runBatch(
    system,
    names.map((name) => `link del dev ${name}`),
  );
  return [...failures.values()].filter((said) => !said.includes('Cannot find device'));
}

/** An unmarked link is ours when it is a WireGuard interface with our key, or one that never got a key. */
async function isOurTunnel(system: System, settings: HostSettings, link: ObservedLink): Promise<boolean> {
  if (link.alias !== undefined || (link.kind !== 'wireguard' && link.kind !== 'tun')) return false;
  const wireguard = await showInterface(system, link.name);
  if (wireguard === undefined) return false;
  return wireguard.publicKey === undefined || wireguard.publicKey === settings.publicKey;
}

/** Forwarding stays on while something else on this host evidently forwards. */
async function restoreSysctls(
  system: System,
  links: ReadonlyMap<string, ObservedLink>,
  settings: HostSettings,
  previous: Readonly<Record<string, string>>,
  notes: string[],
): Promise<void> {
  const mark = linkMark(settings);
  const other = [...links.values()].find(
    (link) => link.alias !== mark && (link.kind === 'bridge' || link.kind === 'wireguard' || link.kind === 'tun'),
  );
  for (const [path, value] of Object.entries(previous)) {
    const isForwarding = path === ipv4Forward || path === ipv6Forward;
    if (isForwarding && other !== undefined) {
      notes.push(`${path} stays on, because ${other.name} may need it`);
      continue;
    }
    if ((await system.readSysctl(path)) !== undefined) await system.writeSysctl(path, value);
  }
}
