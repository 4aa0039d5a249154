/**
 * The kernel's part of a relay: one table per family, whose maps tell for each proven source where its packets go on to.
 * A packet is rewritten whole before connection tracking and sent as if this host had made it (`dup`), so neither a
 * FORWARD chain of anybody's nor forwarding itself has a say, and no address of a pair is ever an endpoint of this
 * host's own tunnels. Pure text, made of numbers, parsed addresses and hexadecimal digits alone.
 */
import { type Family } from '../../shared/net/address.ts';
import { splitEndpoint } from '../../shared/net/endpoint.ts';
import { digestOf } from '../plan/digest.ts';
import type { PortRange } from './ports.ts';
import type { Forward } from './book.ts';
import { fromPort, relayKinds } from './wire.ts';

export interface TableWish {
  readonly range: PortRange;
  readonly tunnel: string;
  readonly listenPort: number;
  /** Of the probe socket; 0 where there is none. */
  readonly probePort: number;
}

/** A direction of a pair with the relay's own address towards the target. */
export interface Placed extends Forward {
  readonly own: string;
}

/** Upper half of the mark that a packet carries between being known and being sent. */
const markTag = 0x52570000;
/** Where probes and WireGuard messages begin, and where a relay message tells its port; bits of the transport header. */
const start = '@th,64,32';
const kind = '@th,96,8';
const port = '@th,256,16';
const probe = '0x57525031';
/** The four types of WireGuard, each with its three zero bytes. */
const messages = `{ 0x01000000, 0x02000000, 0x03000000, 0x04000000, ${probe} }`;

const types = { 4: 'ipv4_addr', 6: 'ipv6_addr' } as const;
const layers = { 4: 'ip', 6: 'ip6' } as const;

export const familyTable = (family: Family): 'ip' | 'ip6' => layers[family];

/** The table without its elements, and the digest by which it is known again. */
export function relayTable(family: Family, wish: TableWish): { readonly text: string; readonly digest: string } {
  const { range, tunnel, listenPort, probePort } = wish;
  const ip = layers[family];
  const key = `${types[family]} . inet_service . inet_service`;
  const of = `${ip} saddr . udp sport . udp dport`;
  const hops = family === 4 ? 'ip ttl' : 'ip6 hoplimit';
  const kinds = `${relayKinds.ask}-31`;
  const text = [
    `  map twin { type ${key} : mark; counter; }`,
    `  map address { type ${key} : ${types[family]}; }`,
    `  map port { type ${key} : inet_service; }`,
    `  map own_address { type mark : ${types[family]}; }`,
    '  map own_port { type mark : inet_service; }',
    // After fragments were put together, before anybody tracks or drops.
    '  chain come { type filter hook prerouting priority -310; policy accept;',
    `    udp dport ${range.first}-${range.last} fib daddr type local iifname != "${tunnel}" jump pairs`,
    '  }',
    '  chain pairs {',
    // Between host and relay: to the port that every firewall of a WireGuard host lets in.
    `    ${start} ${probe} ${kind} ${kinds} udp dport set ${listenPort} accept`,
    // Two relays that were led to each other must not play on for ever.
    `    ${start} ${messages} ${hops} > 1 meta mark set ${of} map @twin goto onward`,
    // Silence to everybody else who speaks so; another program of this host may have the port.
    `    ${start} ${messages} counter drop`,
    '  }',
    '  chain onward {',
    `    ${ip} daddr set ${of} map @address`,
    `    udp dport set ${of} map @port`,
    `    ${ip} saddr set meta mark map @own_address`,
    '    udp sport set meta mark map @own_port',
    `    dup to ${ip} daddr`,
    '    drop',
    '  }',
    '  chain leave { type filter hook output priority -310; policy accept;',
    // The copy may not be cut by a mark of `dup`, and no policy of this host goes by ours.
    ...(family === 4 ? [`    meta mark and 0xffff0000 == ${hex(markTag)} ip frag-off set 0`] : []),
    `    meta mark and 0xffff0000 == ${hex(markTag)} meta mark set 0`,
    `    udp sport ${probePort} ${start} ${probe} ${kind} { ${fromPort.join(', ')} } udp sport set ${port} notrack`,
    '  }',
  ].join('\n');
  return { text, digest: digestOf(text) };
}

/** `<map> <key> : <value>` of one direction, in the order in which they may be added. */
export function elementsOf(placed: Placed): readonly (readonly [map: string, key: string, value: string])[] {
  const source = splitEndpoint(placed.source);
  const target = splitEndpoint(placed.target);
  const key = `${source.address} . ${source.port} . ${placed.port}`;
  const mark = hex(markTag + placed.twin);
  return [
    ['own_address', mark, placed.own],
    ['own_port', mark, String(placed.twin)],
    ['address', key, target.address],
    ['port', key, String(target.port)],
    // Last: it is what lets packets on.
    ['twin', key, mark],
  ];
}

/** What identifies a direction in the kernel; hexadecimal digits, so it is safe in a comment. */
export const commentOf = ({ hosts }: Pick<Forward, 'hosts'>): string => hosts.join(' ');

export const markedPort = (mark: number): number | undefined =>
  mark >>> 16 === markTag >>> 16 ? mark & 0xffff : undefined;

/** One transaction that makes the table what it should be, whatever is there. */
export function replaceScript(family: Family, name: string, wish: TableWish, all: readonly Placed[]): string {
  const table = `${layers[family]} ${name}`;
  const { text } = relayTable(family, wish);
  return [
    `table ${table} {\n}`,
    `delete table ${table}`,
    `table ${table} {`,
    text,
    '  chain seal {\n  }',
    '}',
    ...all.filter((one) => one.family === family).flatMap((one) => lines('add', table, one)),
    '',
  ].join('\n');
}

/** The same for a table that has these elements already; empty where nothing is to do. */
export function changeScript(family: Family, name: string, had: readonly Placed[], wanted: readonly Placed[]): string {
  const table = `${layers[family]} ${name}`;
  const keyOf = (one: Placed): string => elementsOf(one).join(' ') + commentOf(one);
  const before = new Map(had.filter((one) => one.family === family).map((one) => [keyOf(one), one]));
  const after = new Map(wanted.filter((one) => one.family === family).map((one) => [keyOf(one), one]));
  const gone = [...before].filter(([key]) => !after.has(key)).flatMap(([, one]) => lines('delete', table, one));
  const come = [...after].filter(([key]) => !before.has(key)).flatMap(([, one]) => lines('add', table, one));
  return [...gone, ...come].map((line) => `${line}\n`).join('');
}

function lines(verb: 'add' | 'delete', table: string, one: Placed): string[] {
  const all = elementsOf(one).map(([map, key, value]) => {
    const comment = verb === 'add' && map === 'twin' ? ` comment "${commentOf(one)}"` : '';
    return `${verb} element ${table} ${map} { ${key}${comment} : ${value} }`;
  });
  return verb === 'add' ? all : all.toReversed();
}

const hex = (value: number): string => `0x${value.toString(16)}`;
