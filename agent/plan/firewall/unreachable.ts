/**
 * What is sent to a host that is dead gets an answer at once instead of none: host unreachable. The tunnel and its routes
 * stay, so that the host is back with its first packet. Echo requests of this host itself pass, to find that out.
 */
import type { FirewallInput } from './input.ts';
import { type TablePart, baseChain } from '../nft-table.ts';
import { prefixSets } from './sets.ts';

export function unreachableChains({ settings: { interfaceName: tunnel }, dead }: FirewallInput): TablePart[] {
  if (dead.length === 0) return [];
  const reject = 'reject with icmpx type host-unreachable';
  const rejected = [`oifname "${tunnel}" ip daddr @dead4 ${reject}`, `oifname "${tunnel}" ip6 daddr @dead6 ${reject}`];
  return [
    ...prefixSets('dead', dead),
    baseChain('unreachable', { type: 'filter', hook: 'forward', priority: -15 }, rejected),
    baseChain('unreachable_here', { type: 'filter', hook: 'output', priority: 0 }, [
      `oifname "${tunnel}" meta l4proto { icmp, icmpv6 } accept`,
      ...rejected,
    ]),
  ];
}
