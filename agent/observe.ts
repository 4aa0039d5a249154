/**
 * Reads what the kernel has: a handful of commands whatever the size of the mesh, one more pair per attachment. It
 * changes nothing and decides nothing.
 */
import type { PublicKey } from '../shared/wireguard.ts';
import { type Beside, createBeside } from './beside.ts';
import type { Observed, ObservedFdbEntry, ObservedLink, ObservedNamespace } from './plan/observed.ts';
import { type AttachmentSpec, type HostSettings, linkMark } from './plan/settings.ts';
import { showEntries, showPortVlans } from './system/bridge.ts';
import { showLinks, showNamespace, showRoutes } from './system/ip.ts';
import { showForeign } from './system/foreign.ts';
import { showIptables } from './system/iptables.ts';
import { showTable } from './system/nft.ts';
import type { System } from './system/run.ts';
import { readSysctls } from './system/sysctl.ts';
import { showInterface, showPeers } from './system/wg.ts';

/** How many namespaces are entered at once. */
const namespacesAtOnce = 4;

/** `now` in milliseconds since 1970, as handshakes are. */
export async function observe(
  system: System,
  settings: HostSettings,
  attachments: readonly AttachmentSpec[],
  now: number,
  beside: Beside = createBeside(system),
): Promise<Observed> {
  const links = await showLinks(system);
  // Without the link, a control socket of that name is another namespace's, and `wg` would speak to that one.
  const hasLink = mayBeWireguard(links.get(settings.interfaceName));
  const hasVlans = attachments.some(({ place }) => place?.kind === 'bridge' && typeof place.vlan === 'number');
  const [
    wireguard,
    routes4,
    routes6,
    table,
    bridgeTable,
    iptables,
    foreign,
    sysctls,
    namespaces,
    fdb,
    portVlans,
    resolver,
    firewalld,
  ] = await Promise.all([
    hasLink ? showInterface(system, settings.interfaceName) : undefined,
    showRoutes(system, 4),
    showRoutes(system, 6),
    showTable(system, settings.tableName),
    showTable(system, settings.tableName, 'bridge'),
    showIptables(system),
    showForeign(system, settings.tableName),
    readSysctls(system, links),
    observeNamespaces(system, attachments),
    observeEntries(system, links, linkMark(settings)),
    hasVlans ? showPortVlans(system) : new Map<string, []>(),
    beside.resolver(settings, links, now),
    beside.firewalld(settings, now),
  ]);
  return {
    observedAt: now,
    links,
    fdb,
    portVlans,
    wireguard,
    routes: [...routes4, ...routes6],
    table,
    bridgeTable,
    iptables,
    foreign,
    resolver,
    firewalld,
    sysctls,
    attachments: namespaces,
  };
}

/** Which peers the interface has, in one cheap command; undefined where the interface does not answer. */
export async function observePeers(
  system: System,
  settings: HostSettings,
): Promise<ReadonlySet<PublicKey> | undefined> {
  return showPeers(system, settings.interfaceName);
}

const mayBeWireguard = (link: ObservedLink | undefined): boolean => link?.kind === 'wireguard' || link?.kind === 'tun';

async function observeEntries(
  system: System,
  links: ReadonlyMap<string, ObservedLink>,
  mark: string,
): Promise<ReadonlyMap<string, readonly ObservedFdbEntry[]>> {
  const ours = [...links.values()].filter(({ kind, alias }) => kind === 'vxlan' && alias === mark);
  return new Map(await Promise.all(ours.map(async ({ name }) => [name, await showEntries(system, name)] as const)));
}

async function observeNamespaces(
  system: System,
  attachments: readonly AttachmentSpec[],
): Promise<ReadonlyMap<string, ObservedNamespace>> {
  const found = new Map<string, ObservedNamespace>();
  const waiting = [...attachments];
  const worker = async (): Promise<void> => {
    for (let spec = waiting.pop(); spec !== undefined; spec = waiting.pop()) {
      if (!(await system.fileExists(spec.netnsPath))) continue;
      const namespace = await showNamespace(system, spec.netnsPath);
      if (namespace !== undefined) found.set(spec.id, namespace);
    }
  };
  await Promise.all(Array.from({ length: namespacesAtOnce }, worker));
  return found;
}
