/**
 * What a box between a LAN and the underlay does to packets, as nftables rules. Pure.
 *
 * | kind               | own packets leave as           | packets from outside are let in                        |
 * | ------------------ | ------------------------------ | ------------------------------------------------------ |
 * | public             | what they are                  | all                                                    |
 * | forwarded          | one port, whomever they go to  | all that come to the forwarded port                    |
 * | easy               | one port, whomever they go to  | from an address and port that was sent to              |
 * | address-restricted | one port, whomever they go to  | from an address that was sent to, whatever port        |
 * | symmetric          | another port for each receiver | from an address and port that was sent to              |
 */
import type { NatBehaviour } from '../../shared/nat.ts';

export type NatKind = 'public' | 'forwarded' | 'easy' | 'address-restricted' | 'symmetric';

/** The same in the words of RFC 4787. */
export const behaviours: Readonly<Record<NatKind, NatBehaviour>> = {
  public: { mapping: 'steady', filtering: 'open' },
  forwarded: { mapping: 'steady', filtering: 'open' },
  easy: { mapping: 'steady', filtering: 'port' },
  'address-restricted': { mapping: 'steady', filtering: 'address' },
  symmetric: { mapping: 'varying', filtering: 'port' },
};

export interface BoxRules {
  readonly kind: NatKind;
  /** What the box does with packets for itself; on `accept` they take up its connection tracking, and with it ports. */
  readonly input: 'drop' | 'accept';
  /** Where the forwarded port leads. */
  readonly forwardTo: string | undefined;
  /** Ports that packets leave with; undefined: their own where it is free, or random ones where the kind says so. */
  readonly ports: string | undefined;
  readonly udp: 'open' | 'blocked';
  /** False: too-big messages are lost on their way out of the box, so nobody learns of a small path. */
  readonly isTooBigTold: boolean;
}

/** The port that a forwarding box forwards: WireGuard's. */
export const forwardedPort = 51820;

export function boxRules(rules: BoxRules): string {
  const { kind, input, forwardTo, udp, isTooBigTold } = rules;
  const isNat = kind !== 'public';
  const policy = isNat ? 'drop' : 'accept';
  return `table inet box
delete table inet box
table inet box {
  map cone { type ipv4_addr . inet_service : ipv4_addr . inet_service; flags dynamic; size 4096; }
  chain sieve { type filter hook forward priority -10;
    ${udp === 'blocked' ? 'meta l4proto udp drop' : ''}
  }
  chain told { type filter hook output priority -10;
    ${isTooBigTold ? '' : 'icmp type destination-unreachable icmp code frag-needed drop\n    icmpv6 type packet-too-big drop'}
  }
  chain inputs { type filter hook input priority 0; policy ${input};
    iifname { "lan", "lo" } accept
    ct state established,related accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
  }
  chain forwards { type filter hook forward priority 0; policy ${policy};
    ct state established,related accept
    iifname "lan" accept
    ct status dnat accept
  }
  chain before { type nat hook prerouting priority dstnat;
    ${kind === 'forwarded' && forwardTo !== undefined ? `iifname "eth0" udp dport ${forwardedPort} dnat ip to ${forwardTo}` : ''}
    ${kind === 'address-restricted' ? `iifname "eth0" meta l4proto udp dnat ip to ip saddr . udp dport map @cone` : ''}
  }
  chain after { type nat hook postrouting priority srcnat;
    ${isNat ? masquerade(rules) : ''}
  }
  chain learn { type filter hook postrouting priority 110;
    ${kind === 'address-restricted' ? `oifname "eth0" meta l4proto udp add @cone { ip daddr . udp sport : ct original ip saddr . ct original proto-src }` : ''}
  }
}
`;
}

function masquerade({ kind, ports }: BoxRules): string {
  const rule = 'oifname "eth0" meta nfproto ipv4';
  if (kind === 'symmetric') return `${rule} masquerade random,fully-random`;
  if (kind === 'forwarded' || ports === undefined) return `${rule} masquerade`;
  return `${rule} meta l4proto udp masquerade to :${ports}\n    ${rule} masquerade`;
}
