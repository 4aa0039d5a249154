/**
 * Leads to the agent what containers ask the host's own name servers, so that they get the mesh's names without a flag;
 * the agent asks the same servers for the rest. A server that a container chose by itself is left alone.
 */
import { type FirewallInput, bridgesOf } from './input.ts';
import { type TablePart, baseChain } from '../nft-table.ts';
import { addressSets, isV4, links } from './sets.ts';

export function namesChain(input: FirewallInput): TablePart[] {
  const { resolvers } = input.local;
  const gateways = input.gateways;
  if (resolvers === undefined || resolvers.length === 0 || gateways.length === 0) return [];
  const from = links(bridgesOf(input));
  const rules = gateways.map((gateway) => {
    const [ip, v] = isV4(gateway) ? ['ip', '4'] : ['ip6', '6'];
    return `iifname ${from} ${ip} daddr @resolvers${v} meta l4proto { tcp, udp } th dport 53 dnat ${ip} to ${gateway}`;
  });
  return [
    ...addressSets('resolvers', resolvers),
    baseChain('names', { type: 'nat', hook: 'prerouting', priority: -111 }, rules),
  ];
}
