/** Why a peer is not reached directly, in words for the people who run the two hosts. Pure. */
import type { Nat } from '../../shared/network-map.ts';
import { type Endpoint, splitEndpoint } from '../../shared/net/endpoint.ts';
import { timeOf } from '../clock.ts';
import { type Path, isCarried } from './path.ts';
import type { PathView } from './view.ts';

/** This host, as far as it matters to any peer. */
export interface OwnGround {
  /** True where it can ask peers for ways at all. */
  readonly canAsk: boolean;
  readonly nat: Nat;
  readonly endpoints: readonly Endpoint[];
  /** True while a peer or the server's reflector answers it by UDP without a relay. */
  readonly isAnswered: boolean;
}

export interface WhyFacts {
  readonly now: number;
  readonly own: OwnGround;
  readonly peer: {
    readonly name: string;
    readonly nat: Nat;
    readonly isGone: boolean;
    readonly endpoints: readonly Endpoint[];
  };
  readonly path: PathView['path'];
  /** True where neither a way nor the tunnel answers any more, whatever WireGuard still sends to. */
  readonly isDead: boolean;
  /** All ways to the peer that are known. */
  readonly ways: readonly Path[];
}

/** A way that answered so lately still works, as far as can be said. */
const freshMs = 15_000;
/** As many questions without an answer are more than lost packets. */
const enoughMisses = 3;
/** Endpoints that are named in a text. */
const mostNamed = 3;

/** Null where it is reached directly. */
export function whyNotDirect(facts: WhyFacts): string | null {
  const { path, own, peer, now } = facts;
  if ((path === 'lan' || path === 'direct') && !facts.isDead) return null;
  if (!own.canAsk)
    return 'this host cannot ask for ways: its nftables table or its UDP socket is missing; see the failures below';
  const ways = facts.ways.filter(({ kind }) => !isCarried(kind));
  const working = ways.find(
    ({ provenAt, misses }) => provenAt !== undefined && misses === 0 && now - provenAt < freshMs,
  );
  if (working !== undefined) return `${peer.name} answers at ${working.endpoint}; the tunnel is about to go there`;
  if (peer.isGone) return `${peer.name} is gone: the server does not hear from it either`;
  const noWay = whyNoWay(facts, ways);
  if (noWay !== undefined) return noWay;
  if (ways.every(isBeingAsked)) return `not known yet: ${counted(ways.length)} of ${peer.name} being asked`;
  return whyBetweenNats(facts) ?? whySilent(facts, ways);
}

function whyNoWay({ own, peer }: WhyFacts, ways: readonly Path[]): string | undefined {
  if (peer.endpoints.length === 0 && ways.length === 0)
    return `${peer.name} has told no endpoint; is its agent running, and has it an address outside of the mesh?`;
  const [here, there] = [familiesOf(own.endpoints), familiesOf(peer.endpoints)];
  if (here.length === 1 && there.length === 1 && here[0] !== there[0])
    return `${peer.name} has only ${there[0]} endpoints, and this host has only ${here[0]}; give one of them the other`;
  return ways.length === 0
    ? `the endpoints of ${peer.name} are addresses of the mesh itself, or no addresses of hosts`
    : undefined;
}

const forward = 'forward a UDP port to one of the two hosts and name it there with --endpoint, or leave it to a relay';

/** Two NATs of which one gives each receiver another port, and the other lets in only whom it sent to. */
function whyBetweenNats({ own, peer }: WhyFacts): string | undefined {
  const kinds = [own.nat, peer.nat];
  if (!kinds.includes('symmetric')) return undefined;
  if (own.nat === peer.nat)
    return `both hosts are behind NATs that give each receiver another port (symmetric); ${forward}`;
  if (!kinds.includes('easy')) return undefined;
  const [symmetric, strict] = own.nat === 'symmetric' ? ['this host', peer.name] : [peer.name, 'this host'];
  return `${symmetric} is behind a NAT that gives each receiver another port (symmetric), which the NAT of ${strict} does not let in; ${forward}`;
}

function whySilent({ own, peer }: WhyFacts, ways: readonly Path[]): string {
  if (!own.isAnswered)
    return 'nobody answers this host by UDP: a firewall here or on its way out blocks it; see warren netcheck';
  const last = Math.max(...ways.map(({ provenAt }) => provenAt ?? -Infinity));
  const named = ways.slice(0, mostNamed).map(({ endpoint }) => endpoint);
  const all = named.length < ways.length ? `${named.join(', ')}, …` : named.join(', ');
  const ports = [...new Set(peer.endpoints.map((endpoint) => splitEndpoint(endpoint).port))];
  const remedy = `let UDP port ${ports.join(' or ') || 'of its tunnels'} in there`;
  if (last > -Infinity)
    return `${peer.name} answered until ${timeOf(last)} and does not any more (${all}): it is down, or UDP to it or from it is blocked; ${remedy}`;
  return `${peer.name} never answered at its ${counted(ways.length)} (${all}): UDP to it or from it is blocked; ${remedy}`;
}

const isBeingAsked = ({ provenAt, misses }: Path): boolean => provenAt === undefined && misses < enoughMisses;

const counted = (count: number): string => (count === 1 ? 'endpoint' : `${count} endpoints`);

const familiesOf = (endpoints: readonly Endpoint[]): string[] => [
  ...new Set(endpoints.map((endpoint) => (endpoint.startsWith('[') ? 'IPv6' : 'IPv4'))),
];
