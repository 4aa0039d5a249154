/**
 * The nftables tables of one agent, made of parsed prefixes and names alone. They drop forged sources, let the
 * mesh reach only what this host serves and nothing else reach the containers, keep segments apart, lead published ports
 * to their services, clamp TCP MSS, keep real source addresses inside the mesh and masquerade what leaves it.
 */
import { segmentRules } from '../bridged-rules.ts';
import type { DesiredTable } from '../desired.ts';
import { type TablePart, baseChain, makeTable } from '../nft-table.ts';
import { guardParts } from './guard.ts';
import { type FirewallInput, bridgesOf } from './input.ts';
import { namesChain } from './names.ts';
import { probeChains } from './probes.ts';
import { publishChains, publishedAccept } from './publish.ts';
import { portRules, segmentChains } from './segments.ts';
import { links, prefixSets } from './sets.ts';
import { unreachableChains } from './unreachable.ts';

export function planTable(input: FirewallInput): DesiredTable {
  const { settings, mesh, leases, served } = input;
  return makeTable(settings.tableName, [
    ...prefixSets('mesh', mesh),
    ...prefixSets('lease', leases, ['::', 'fe80::/10']),
    ...prefixSets('served', served),
    ...checks(input),
    ...probeChains(input),
    ...segmentChains(input, -20),
    ...unreachableChains(input),
    transit(input),
    ...publishChains(input),
    ...namesChain(input),
    ...sources(input),
    ...segmentRules(settings.interfaceName, input.bridged),
  ]);
}

/** What comes from the ports of bridges, and passes between them. */
export function planBridgeTable(input: FirewallInput): DesiredTable {
  const networks = input.local.engine.networks.flatMap(({ prefixes }) => prefixes);
  const between = portRules(input.ports, [...input.leases, ...networks]);
  return makeTable(input.settings.tableName, [...guardParts(input), ...segmentChains(input, -200, between)]);
}

function checks({ settings: { interfaceName: tunnel, bridgeName: bridge, listenPort } }: FirewallInput): TablePart[] {
  return [
    baseChain('check_source', { type: 'filter', hook: 'prerouting', priority: -150 }, [
      `iifname "${bridge}" ip saddr != @lease4 counter drop`,
      `iifname "${bridge}" ip6 saddr != @lease6 counter drop`,
      `iifname "${tunnel}" ip saddr != @mesh4 counter drop`,
      `iifname "${tunnel}" ip6 saddr != @mesh6 counter drop`,
    ]),
    // A tunnel inside the tunnel would let a peer's endpoint roam into the mesh's own prefixes.
    baseChain('check_port', { type: 'filter', hook: 'input', priority: -150 }, [
      `iifname "${tunnel}" udp dport ${listenPort} counter drop`,
    ]),
  ];
}

function transit(input: FirewallInput): TablePart {
  const tunnel = input.settings.interfaceName;
  const bridges = bridgesOf(input);
  const inside = links([tunnel, ...bridges]);
  const clamp = 'tcp flags syn tcp option maxseg size set rt mtu';
  const stranger = `oifname "${input.settings.bridgeName}" iifname != ${inside} ct state new ct status ! dnat`;
  return baseChain('transit', { type: 'filter', hook: 'forward', priority: -10 }, [
    `iifname "${tunnel}" ${clamp}`,
    `oifname "${tunnel}" ${clamp}`,
    publishedAccept,
    `iifname "${tunnel}" ip daddr != @served4 counter drop`,
    `iifname "${tunnel}" ip6 daddr != @served6 counter drop`,
    // Whoever shares a wire with this host may send to its containers what it likes; published ports are the way in.
    `${stranger} ip saddr != @served4 counter drop`,
    `${stranger} ip6 saddr != @served6 counter drop`,
    ...(input.local.engine.firewall === 'nftables' ? [engineMark(tunnel, bridges)] : []),
    `iifname ${inside} oifname ${inside} accept`,
  ]);
}

/** For an engine that writes nftables itself and was started with `--bridge-accept-fwmark=0x08000000/0x08000000`. */
const engineMark = (tunnel: string, bridges: readonly string[]): string =>
  `iifname "${tunnel}" oifname ${links(bridges)} meta mark set meta mark or 0x08000000`;

/**
 * A null mapping, made before anybody's masquerading has a say, keeps the real source inside the mesh; an `accept` here
 * would not, for Docker's own rule stands in a table of its own.
 */
function sources({ settings: { interfaceName: tunnel, bridgeName: bridge } }: FirewallInput): TablePart[] {
  const outward = `oifname != { "${tunnel}", "${bridge}" } masquerade`;
  return [
    baseChain('keep_source', { type: 'nat', hook: 'postrouting', priority: 99 }, [
      `oifname "${tunnel}" ip saddr @served4 ip daddr @mesh4 snat ip to ip saddr`,
      `oifname "${tunnel}" ip6 saddr @served6 ip6 daddr @mesh6 snat ip6 to ip6 saddr`,
    ]),
    baseChain('leave_mesh', { type: 'nat', hook: 'postrouting', priority: 100 }, [
      `ip saddr @lease4 ip daddr != @mesh4 ${outward}`,
      // Without a set of these two: one with intervals would be made anew with each change of a rule.
      `ip6 saddr @lease6 ip6 saddr != :: ip6 saddr != fe80::/10 ip6 daddr != @mesh6 ${outward}`,
    ]),
  ];
}
