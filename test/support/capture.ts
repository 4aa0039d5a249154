/** Records what passes a namespace's interfaces and says what kind of traffic it was. */
import { probeMagic } from '../../agent/probe/wire.ts';
import { readFile } from 'node:fs/promises';
import { inside } from './namespace.ts';
import { type Packet, readPackets } from './pcap.ts';
import { startProcess } from './process.ts';
import { until } from './wait.ts';

export interface Capture {
  /** Ends the recording and answers it. */
  stop(): Promise<Recording>;
}

export interface Recording {
  readonly packets: readonly Packet[];
  /** Packets the recorder missed, by tcpdump's own count, or did not keep whole. */
  readonly missed: number;
  /** How often a text stands anywhere in what was recorded. */
  count(text: string): number;
}

/**
 * Each packet once, where it comes in. Handed over at once, so that none is still in a buffer when the recording ends;
 * in that mode the kernel keeps one slot of the largest size per packet, hence the limit on size and the large buffer.
 */
export async function startCapture(namespace: string, file: string, ...filter: string[]): Promise<Capture> {
  const kibibytes = filter.length === 0 ? 65_536 : 8_192;
  const argv = `tcpdump -i any -Q in -n -U --immediate-mode -s 32000 -B ${kibibytes} -Z root -w`.split(' ');
  const tcpdump = startProcess(inside(namespace, [...argv, file, ...filter]), { logFile: `${file}.log` });
  await until('tcpdump listens', { seconds: 10, everyMilliseconds: 20 }, () => /listening on/.test(tcpdump.output()));
  return {
    async stop() {
      await tcpdump.stop('SIGINT');
      const bytes = await readFile(file);
      const dropped = Number(/(\d+) packets? dropped by kernel/.exec(tcpdump.output())?.[1] ?? 0);
      const { packets, cut } = readPackets(bytes);
      return { packets, missed: dropped + cut, count: (text) => countIn(bytes, text) };
    },
  };
}

function countIn(bytes: Buffer, text: string): number {
  let count = 0;
  for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) count += 1;
  return count;
}

/** A probe counts as WireGuard's: it comes from the same port and tells as little. */
export type TrafficKind = 'wireguard' | 'control' | 'neighbours' | 'other';

/** What a packet on the underlay is; `controlPort` is the TCP port of the server. */
export function kindOf(packet: Packet, controlPort: number): TrafficKind {
  if (packet.kind === 'arp') return 'neighbours';
  if (packet.kind === 'ipv6' && isLinkLocalChatter(packet)) return 'neighbours';
  if (packet.protocol === 6 && (packet.sourcePort === controlPort || packet.targetPort === controlPort)) {
    return 'control';
  }
  if (isReflection(packet, controlPort)) return 'control';
  const datagram = packet.protocol === 17 && !packet.isFragment ? packet.payload : quotedDatagram(packet);
  return datagram !== undefined && isWireGuard(datagram) ? 'wireguard' : 'other';
}

/** What a host asks the server of itself, and the answer. */
function isReflection({ protocol, sourcePort, targetPort, payload }: Packet, controlPort: number): boolean {
  const isServers = sourcePort === controlPort || targetPort === controlPort;
  return protocol === 17 && isServers && payload.length === 64 && payload.toString('latin1', 0, 4) === 'WRR1';
}

/** What an ICMP "unreachable" quotes, where that is UDP: a host answers so until its WireGuard interface is there. */
function quotedDatagram({ kind, protocol, payload }: Packet): Buffer | undefined {
  const isUnreachable = kind === 'ipv4' && protocol === 1 && payload[0] === 3;
  return isUnreachable && payload[17] === 17 ? payload.subarray(8 + 20 + 8) : undefined;
}

/** Neighbour discovery, router solicitation, multicast listener reports: from a link-local or unspecified address. */
function isLinkLocalChatter({ protocol, source }: Packet): boolean {
  return (protocol === 58 || protocol === 0) && (source.startsWith('fe80:') || source === '::');
}

/**
 * Message types 1 to 4, three zero bytes, and the length each type has (WireGuard protocol, section 5.4). Several
 * messages of type 4 may stand in one packet here, because a veth passes on what the sender left to be segmented.
 */
function isWireGuard(payload: Buffer): boolean {
  if (payload.length >= 40 && payload.readUInt32BE(0) === probeMagic) return true;
  if (payload.length < 32 || payload.readUIntBE(1, 3) !== 0) return false;
  const lengths: Readonly<Record<number, number>> = { 1: 148, 2: 92, 3: 64 };
  const type = payload[0] ?? 0;
  return type === 4 || payload.length === lengths[type];
}

export function countKinds(recording: Recording, controlPort: number): Record<TrafficKind, number> {
  const counts = { wireguard: 0, control: 0, neighbours: 0, other: 0 };
  for (const packet of recording.packets) counts[kindOf(packet, controlPort)] += 1;
  return counts;
}

export function describe(packet: Packet): string {
  const { source, target, protocol, sourcePort, targetPort, payload } = packet;
  const ports = sourcePort === 0 ? '' : ` ${sourcePort} > ${targetPort}`;
  const start = payload.subarray(0, 16).toString('hex');
  return `${packet.kind} ${source} > ${target} protocol ${protocol}${ports} ${payload.length} bytes ${start}`;
}
