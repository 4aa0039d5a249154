/**
 * The nftables table of one agent, as text made of parsed prefixes and names alone. It drops forged sources, lets the
 * mesh reach only what this host serves, clamps TCP MSS, and masquerades what leaves the mesh.
 */
import type { Cidr } from '../../shared/net/cidr.ts';
import { digestOf } from './digest.ts';
import type { DesiredTable } from './desired.ts';
import { indexRanges, rangeOf } from './ranges.ts';
import type { HostSettings } from './settings.ts';

export interface FirewallInput {
  readonly settings: HostSettings;
  /** Everything that is inside the mesh: pools, overlay addresses, leases, subnets. */
  readonly mesh: readonly Cidr[];
  /** This host's leases. */
  readonly leases: readonly Cidr[];
  /** What peers may reach through this host: leases and advertised subnets. */
  readonly served: readonly Cidr[];
}

export function planTable({ settings, mesh, leases, served }: FirewallInput): DesiredTable {
  const text = [
    ...sets('mesh', mesh, []),
    ...sets('lease', leases, ['::', 'fe80::/10']),
    ...sets('served', served, []),
    ...chains(settings),
  ].join('\n');
  return { name: settings.tableName, text, digest: digestOf(text) };
}

/** An unspecified or link-local IPv6 source is how neighbours are found, on any link. */
function sets(name: string, prefixes: readonly Cidr[], also6: readonly string[]): string[] {
  const widest = widestOf(prefixes);
  return [
    set(
      `${name}4`,
      'ipv4_addr',
      widest.filter((prefix) => !prefix.includes(':')),
    ),
    set(`${name}6`, 'ipv6_addr', [...also6, ...widest.filter((prefix) => prefix.includes(':'))]),
  ];
}

function set(name: string, type: string, elements: readonly string[]): string {
  const list = elements.length === 0 ? '' : ` elements = { ${elements.join(', ')} };`;
  return `  set ${name} { type ${type}; flags interval;${list} }`;
}

/** An interval set takes no overlapping elements, so only the outermost prefixes stay. */
function widestOf(prefixes: readonly Cidr[]): Cidr[] {
  const unique = [...new Set(prefixes)].sort();
  const nested = new Set<Cidr>();
  indexRanges(unique, rangeOf).eachNested((_, inner) => nested.add(inner));
  return unique.filter((prefix) => !nested.has(prefix));
}

function chains({ interfaceName: tunnel, bridgeName: bridge, listenPort }: HostSettings): string[] {
  const clamp = 'tcp flags syn tcp option maxseg size set rt mtu';
  return [
    '  chain check_source { type filter hook prerouting priority -150; policy accept;',
    `    iifname "${bridge}" ip saddr != @lease4 counter drop`,
    `    iifname "${bridge}" ip6 saddr != @lease6 counter drop`,
    `    iifname "${tunnel}" ip saddr != @mesh4 counter drop`,
    `    iifname "${tunnel}" ip6 saddr != @mesh6 counter drop`,
    '  }',
    // A tunnel inside the tunnel would let a peer's endpoint roam into the mesh's own prefixes.
    '  chain check_port { type filter hook input priority -150; policy accept;',
    `    iifname "${tunnel}" udp dport ${listenPort} counter drop`,
    '  }',
    '  chain transit { type filter hook forward priority -10; policy accept;',
    `    iifname "${tunnel}" ip daddr != @served4 counter drop`,
    `    iifname "${tunnel}" ip6 daddr != @served6 counter drop`,
    `    iifname "${tunnel}" ${clamp}`,
    `    oifname "${tunnel}" ${clamp}`,
    `    iifname { "${tunnel}", "${bridge}" } oifname { "${tunnel}", "${bridge}" } accept`,
    '  }',
    '  chain leave_mesh { type nat hook postrouting priority 100; policy accept;',
    `    ip saddr @lease4 ip daddr != @mesh4 oifname != { "${tunnel}", "${bridge}" } masquerade`,
    `    ip6 saddr @lease6 ip6 saddr != { ::, fe80::/10 } ip6 daddr != @mesh6 oifname != { "${tunnel}", "${bridge}" } masquerade`,
    '  }',
  ];
}
