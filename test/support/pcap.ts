/** Reads capture files (libpcap format, as `tcpdump -w` writes them) down to what the tests ask of a packet. */

export interface Packet {
  readonly kind: 'ipv4' | 'ipv6' | 'arp' | 'other';
  readonly source: string;
  readonly target: string;
  /** IP protocol number: 1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6; -1 where there is none. */
  readonly protocol: number;
  readonly isFragment: boolean;
  readonly sourcePort: number;
  readonly targetPort: number;
  /** What follows the UDP header, or the IP header elsewhere. */
  readonly payload: Buffer;
}

/** Bytes before the network header, and where in them the EtherType stands, by link type. */
const linkTypes: Readonly<Record<number, { header: number; type: number }>> = {
  1: { header: 14, type: 12 },
  113: { header: 16, type: 14 },
  276: { header: 20, type: 0 },
};

/** Throws on a file that is not a capture. `cut` counts packets of which only the beginning was kept. */
export function readPackets(file: Buffer): { packets: Packet[]; cut: number } {
  if (file.readUInt32LE(0) !== 0xa1b2c3d4) throw new Error('not a little-endian pcap file');
  const link = linkTypes[file.readUInt32LE(20)];
  if (link === undefined) throw new Error(`link type ${file.readUInt32LE(20)} is not known here`);
  const packets: Packet[] = [];
  let cut = 0;
  for (let at = 24; at + 16 <= file.length;) {
    const length = file.readUInt32LE(at + 8);
    const frame = file.subarray(at + 16, at + 16 + length);
    if (file.readUInt32LE(at + 12) > length || frame.length < length) cut += 1;
    if (frame.length === length) packets.push(readFrame(frame.readUInt16BE(link.type), frame.subarray(link.header)));
    at += 16 + length;
  }
  return { packets, cut };
}

function readFrame(type: number, data: Buffer): Packet {
  if (type === 0x0800 && data.length >= 20) return readV4(data);
  if (type === 0x86dd && data.length >= 40) return readV6(data);
  return { ...nowhere, kind: type === 0x0806 ? 'arp' : 'other', payload: data };
}

const nowhere = { source: '', target: '', protocol: -1, isFragment: false, sourcePort: 0, targetPort: 0 };

function readV4(data: Buffer): Packet {
  const headerLength = ((data[0] ?? 0) & 15) * 4;
  const isFragment = (data.readUInt16BE(6) & 0x3fff) !== 0;
  const source = [...data.subarray(12, 16)].join('.');
  const target = [...data.subarray(16, 20)].join('.');
  return withPorts({ kind: 'ipv4', source, target, protocol: data[9] ?? -1, isFragment }, data.subarray(headerLength));
}

function readV6(data: Buffer): Packet {
  const text = (from: number): string =>
    Array.from({ length: 8 }, (_, i) => data.readUInt16BE(from + 2 * i).toString(16)).join(':');
  const isFragment = data[6] === 44;
  const addresses = {
    source: new URL(`http://[${text(8)}]`).hostname,
    target: new URL(`http://[${text(24)}]`).hostname,
  };
  return withPorts(
    {
      kind: 'ipv6',
      source: addresses.source.slice(1, -1),
      target: addresses.target.slice(1, -1),
      protocol: data[6] ?? -1,
      isFragment,
    },
    data.subarray(40),
  );
}

function withPorts(ip: Omit<Packet, 'payload' | 'sourcePort' | 'targetPort'>, body: Buffer): Packet {
  const hasPorts = (ip.protocol === 6 || ip.protocol === 17) && body.length >= 8;
  const sourcePort = hasPorts ? body.readUInt16BE(0) : 0;
  const targetPort = hasPorts ? body.readUInt16BE(2) : 0;
  return { ...ip, sourcePort, targetPort, payload: ip.protocol === 17 ? body.subarray(8) : body };
}
