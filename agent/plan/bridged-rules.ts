/**
 * What keeps bridged segments apart from everything else, as chains of the agent's table. VXLAN knows no sender: whoever
 * reaches the port with a segment's number would speak in it. So only the tunnel may bring such packets, from hosts that
 * have members (whose addresses WireGuard vouches for), and no process of this host may send any: the kernel's own have
 * no owner. The host itself takes no part in a segment: it neither answers nor routes what comes out of the bridge, which
 * with br_netfilter must not be asked before it is sure that a packet is not just bridged.
 */
import { vxlanPort } from './bridged.ts';
import type { DesiredSegment } from './desired.ts';
import { type Hook, type TablePart, baseChain } from './nft-table.ts';

export function segmentRules(tunnel: string, segments: readonly DesiredSegment[]): TablePart[] {
  if (segments.length === 0) return [];
  const rulesOf = (hook: Hook['hook'], name: string, rules: readonly string[]): TablePart =>
    baseChain(name, { type: 'filter', hook, priority: -149 }, rules);
  return [
    rulesOf(
      'input',
      'check_segments',
      segments.flatMap((segment) => inputRules(tunnel, segment)),
    ),
    rulesOf(
      'output',
      'send_segments',
      segments.map(({ vni }) => `${carries(vni)} meta skuid >= 0 counter drop`),
    ),
    rulesOf(
      'forward',
      'leave_segments',
      segments.flatMap(({ bridgeName }) => [
        `iifname "${bridgeName}" oifname != "${bridgeName}" counter drop`,
        `oifname "${bridgeName}" iifname != "${bridgeName}" counter drop`,
      ]),
    ),
  ];
}

function inputRules(tunnel: string, { vni, local, remotes, bridgeName }: DesiredSegment): string[] {
  const isIpv6 = local.includes(':');
  const fromMembers = remotes.length === 0 ? '' : ` ${isIpv6 ? 'ip6' : 'ip'} saddr != { ${remotes.join(', ')} }`;
  return [
    `iifname "${bridgeName}" counter drop`,
    `${carries(vni)} iifname != "${tunnel}" counter drop`,
    `${carries(vni)} meta nfproto ${isIpv6 ? 'ipv4' : 'ipv6'} counter drop`,
    `${carries(vni)}${fromMembers} counter drop`,
  ];
}

/** The VNI stands 12 bytes into UDP, behind its header and four bytes of VXLAN (RFC 7348 section 5). */
const carries = (vni: number): string => `udp dport ${vxlanPort} @th,96,24 ${vni}`;
