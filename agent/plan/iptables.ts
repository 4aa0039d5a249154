/**
 * Rules in tables that others own. A packet that Docker's or another firewall's chain drops is gone whatever an nftables
 * table of our own says, so where such a chain can drop, ours must stand before it: in raw PREROUTING (Docker 28 drops
 * there what enters a container's bridge from elsewhere), in DOCKER-USER, or at the head of FORWARD. Each rule carries
 * the mark and a digest of itself, which is how it is known again. Nothing is opened but the way between the tunnel and
 * containers, published ports, and what containers send.
 */
import type { Cidr } from '../../shared/net/cidr.ts';
import type { Family } from '../../shared/net/address.ts';
import { vxlanPort } from './bridged.ts';
import { digestOf } from './digest.ts';
import type { ObservedIptables, ObservedRule } from './observed.ts';
import type { Step } from './step.ts';

/** What the rules follow from; undefined for a host that has no part in the mesh. */
export interface IptablesWish {
  readonly mark: string;
  readonly tunnel: string;
  /** Bridges with containers of the mesh on them. */
  readonly bridges: readonly string[];
  /** Of bridged segments: their frames pass FORWARD as well where br_netfilter is loaded, and leave by none other. */
  readonly segmentBridges: readonly string[];
  /** Prefixes of the containers behind them. */
  readonly prefixes: readonly Cidr[];
  /** Links by which packets leave this host for elsewhere than the mesh and other containers. */
  readonly outside: readonly string[];
  readonly listenPort: number;
  /** True where an engine writes iptables rules. */
  readonly hasEngine: boolean;
  readonly publishedMark: string;
}

export type ChainName = 'raw PREROUTING' | 'filter DOCKER-USER' | 'filter FORWARD' | 'filter INPUT';

interface WantedChain {
  /** First in the chain, in this order. */
  readonly head: readonly string[];
  /** Anywhere in it. */
  readonly tail: readonly string[];
}

export function planIptables(wish: IptablesWish | undefined, mark: string, observed: ObservedIptables): Step[] {
  return ([4, 6] as const).flatMap((family) => {
    const seen = observed[family];
    if (seen === undefined) return [];
    const input = restoreText(mark, wanted(wish, family, seen), seen);
    if (input === '') return [];
    return [{ kind: 'iptables-set', family, input, why: 'rules of ours are missing, out of place or too many' }];
  });
}

type Seen = NonNullable<ObservedIptables[4]>;

function wanted(wish: IptablesWish | undefined, family: Family, seen: Seen): ReadonlyMap<ChainName, WantedChain> {
  const chains = new Map<ChainName, WantedChain>();
  if (wish === undefined) return chains;
  const { tunnel, bridges, segmentBridges, prefixes, publishedMark } = wish;
  const published = `-m connmark --mark ${publishedMark}/${publishedMark} -j ACCEPT`;
  const between = [
    ...bridges.flatMap((bridge) => [`-i ${tunnel} -o ${bridge} -j ACCEPT`, `-i ${bridge} -o ${tunnel} -j ACCEPT`]),
    ...segmentBridges.map((bridge) => `-i ${bridge} -o ${bridge} -j ACCEPT`),
  ];
  const hasEngine = wish.hasEngine || seen.hasDockerUser;
  if (hasEngine) {
    const own = prefixes.filter((prefix) => prefix.includes(':') === (family === 6));
    chains.set('raw PREROUTING', { head: own.map((prefix) => `-d ${prefix} -i ${tunnel} -j ACCEPT`), tail: [] });
    chains.set('filter DOCKER-USER', { head: [published, ...between], tail: [] });
  }
  const isForwardShut = isShut(seen, 'filter FORWARD');
  if (seen.forwardPolicy !== 'ACCEPT' || isForwardShut) {
    // Outside, and not into containers of others, whose own rules may count on the policy.
    const outside = bridges.flatMap((bridge) => [
      ...wish.outside.map((link) => `-i ${bridge} -o ${link} -j ACCEPT`),
      `-o ${bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    ]);
    // `iptables -F` takes the jump away with which the engine asks DOCKER-USER, until the engine is started again.
    const first = seen.chains.get('filter FORWARD')?.find((rule) => isDockersJump(rule) || dropsAll(rule));
    const isAsked = first !== undefined && isDockersJump(first);
    const head = isAsked ? [] : [published, ...between];
    chains.set(
      'filter FORWARD',
      // Behind the engine's own rules, so that it has its say about its networks. Where there is none, first of all: UFW
      // has its last word in a chain of its own, and nothing comes behind a rule that drops all.
      !hasEngine || (isForwardShut && !isAsked) ? { head: [...head, ...outside], tail: [] } : { head, tail: outside },
    );
  }
  if (seen.inputPolicy !== 'ACCEPT' || isShut(seen, 'filter INPUT')) {
    chains.set('filter INPUT', { head: inputRules(wish, family), tail: [] });
  }
  return chains;
}

/** The tunnels' own port, answers, echoes, finding of neighbours, and names; what else the host serves is not opened. */
function inputRules({ tunnel, bridges, segmentBridges, listenPort }: IptablesWish, family: Family): string[] {
  const udp = (port: number): string => `-p udp -m udp --dport ${port} -j ACCEPT`;
  const inside = [tunnel, ...bridges];
  return [
    // A tunnel inside the tunnel is never wanted.
    `! -i ${tunnel} ${udp(listenPort)}`,
    ...inside.flatMap((link) => [
      `-i ${link} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
      family === 4 ? `-i ${link} -p icmp -m icmp --icmp-type 8 -j ACCEPT` : `-i ${link} -p ipv6-icmp -j ACCEPT`,
    ]),
    ...bridges.flatMap((bridge) => [`-i ${bridge} ${udp(53)}`, `-i ${bridge} -p tcp -m tcp --dport 53 -j ACCEPT`]),
    ...(segmentBridges.length === 0 ? [] : [`-i ${tunnel} ${udp(vxlanPort)}`]),
  ];
}

/** As distributions write it that leave the policy alone: a last rule that drops or rejects whatever comes to it. */
const dropsAll = ({ specification }: ObservedRule): boolean => /^-j (?:DROP|REJECT)\b/.test(specification);
const isShut = (seen: Seen, name: ChainName): boolean => seen.chains.get(name)?.some(dropsAll) === true;
const isDockersJump = ({ specification }: ObservedRule): boolean => specification === '-j DOCKER-USER';

const chainNames: readonly ChainName[] = ['raw PREROUTING', 'filter DOCKER-USER', 'filter FORWARD', 'filter INPUT'];

/** What `iptables-restore --noflush` must read, one transaction a table; empty where all is right. */
function restoreText(mark: string, chains: ReadonlyMap<ChainName, WantedChain>, seen: Seen): string {
  const byTable = new Map<string, string[]>();
  for (const name of chainNames) {
    const lines = chainLines(mark, name, chains.get(name) ?? { head: [], tail: [] }, seen);
    const [table = ''] = name.split(' ');
    if (lines.length > 0) byTable.set(table, [...(byTable.get(table) ?? []), ...lines]);
  }
  return [...byTable].map(([table, lines]) => `*${table}\n${lines.join('\n')}\nCOMMIT\n`).join('');
}

function chainLines(mark: string, name: ChainName, { head, tail }: WantedChain, seen: Seen): string[] {
  const chain = name.split(' ')[1] ?? '';
  const there = seen.chains.get(name) ?? [];
  const ours = there.filter((rule) => rule.mark === mark);
  const keyOf = (rule: string): string => digestOf(`${chain} ${rule}`);
  const isHeadRight = head.every((rule, i) => there[i]?.mark === mark && there[i]?.digest === keyOf(rule));
  const isTailRight = tail.every((rule) => ours.some(({ digest }) => digest === keyOf(rule)));
  if (isHeadRight && isTailRight && ours.length === head.length + tail.length) return [];
  const marked = (rule: string): string => rule.replace(' -j ', ` -m comment --comment ${mark}:${keyOf(rule)} -j `);
  return [
    ...(chain === 'DOCKER-USER' && !seen.hasDockerUser ? [':DOCKER-USER - [0:0]'] : []),
    ...ours.map(({ specification }) => `-D ${chain} ${specification}`),
    ...head.toReversed().map((rule) => `-I ${chain} 1 ${marked(rule)}`),
    ...tail.map((rule) => `-A ${chain} ${marked(rule)}`),
  ];
}
