/** What the kernel of a namespace holds, as text to compare: links, addresses, routes, rules, WireGuard, nft. */
import { readdirSync } from 'node:fs';
import { runInside } from './namespace.ts';

export interface Snapshot {
  readonly links: string[];
  readonly addresses: string[];
  readonly routes: string[];
  readonly rules: string[];
  /** Peers with their allowed IPs. */
  readonly peers: string[];
  /** nft tables without counters, each as one text. */
  readonly tables: string[];
}

export async function takeSnapshot(namespace: string): Promise<Snapshot> {
  const lines = async (...argv: string[]): Promise<string[]> =>
    (await runInside(namespace, argv)).stdout.split('\n').filter((line) => line !== '');
  const routes = [
    ...(await lines('ip', '-4', 'route', 'show', 'table', 'all')),
    ...(await lines('ip', '-6', 'route', 'show', 'table', 'all')),
  ];
  const links = (await lines('ip', '-o', 'link', 'show')).map(readLink).sort();
  // The sockets of userspace WireGuard are seen from every namespace of the machine.
  const isHere = (peer: string): boolean => links.some((link) => link.startsWith(`${peer.split('\t')[0]} `));
  return {
    links,
    addresses: (await lines('ip', '-o', 'addr', 'show')).flatMap(readAddress).sort(),
    // A cloned route is a cache of what was used; link-local and multicast ones follow the links.
    routes: routes
      .map((route) => route.replaceAll(/ +(expires \S+|pref medium|linkdown)/g, '').trim())
      .filter(isLasting)
      .sort(),
    rules: [...(await lines('ip', '-4', 'rule')), ...(await lines('ip', '-6', 'rule'))],
    peers: (await lines('wg', 'show', 'all', 'allowed-ips')).filter(isHere).map(sortWords).sort(),
    tables: splitTables((await runInside(namespace, ['nft', '-s', 'list', 'ruleset'])).stdout),
  };
}

/** Name, flags that somebody set, MTU, master. Indexes and hardware addresses may change. */
function readLink(line: string): string {
  const name = /^\d+: ([^:@]+)/.exec(line)?.[1] ?? '';
  const flags = (/<([^>]*)>/.exec(line)?.[1] ?? '').split(',').filter((flag) => flag === 'UP' || flag === 'NOARP');
  const mtu = /mtu (\d+)/.exec(line)?.[1] ?? '';
  const master = /master (\S+)/.exec(line)?.[1] ?? '-';
  return `${name} ${flags.sort().join(',')} mtu ${mtu} master ${master}`;
}

function readAddress(line: string): string[] {
  const [, name = '', address = '', scope = ''] = /^\d+: (\S+)\s+inet6? (\S+).* scope (\S+)/.exec(line) ?? [];
  return scope === 'link' || name === '' ? [] : [`${name} ${address}`];
}

const isLasting = (route: string): boolean => !/fe80|ff00::|^multicast|^anycast|^broadcast/.test(route);

const splitTables = (ruleset: string): string[] =>
  ruleset
    .split(/^(?=table )/m)
    .map((table) => table.trim())
    .filter((table) => table !== '')
    .sort();

const sortWords = (line: string): string => line.split(/\s+/).sort().join(' ');

/** Every file below a folder. */
export function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  } catch {
    return [];
  }
}
