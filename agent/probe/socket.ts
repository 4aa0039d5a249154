/**
 * The agent's own UDP socket. The kernel's rules give its packets WireGuard's port, see `agent/plan/firewall/probes.ts`;
 * here a packet just comes and goes. Both families on one port where the host has both.
 */
import { type Socket, createSocket } from 'node:dgram';
import { isAddress } from '../../shared/net/address.ts';
import { type Endpoint, makeEndpoint, splitEndpoint } from '../../shared/net/endpoint.ts';

export type Received = (bytes: Buffer, from: Endpoint) => void;

export interface ProbeSocket {
  readonly port: number;
  /** Lost where the system does not take it, as any packet may be. */
  send(bytes: Buffer, to: Endpoint): void;
  close(): void;
}

const receiveBufferBytes = 1024 * 1024;

/** `wanted`: a port to have if it is free, so that an agent that starts again needs no other rules. Throws what the system says. */
export async function openProbeSocket(onReceived: Received, wanted = 0): Promise<ProbeSocket> {
  // Without IPv6 where the host has that off.
  for (const [type, port] of [
    ['udp6', wanted],
    ['udp4', wanted],
    ['udp6', 0],
  ] as const) {
    try {
      return await open(type, port, onReceived);
    } catch {
      // The next way.
    }
  }
  return open('udp4', 0, onReceived);
}

function open(type: 'udp4' | 'udp6', port: number, onReceived: Received): Promise<ProbeSocket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type, recvBufferSize: receiveBufferBytes });
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.on('message', (bytes, { address, port }) => {
      const from = readSource(address, port);
      if (from !== undefined) onReceived(bytes, from);
    });
    socket.bind(port, () => {
      socket.removeAllListeners('error');
      // An ICMP error of a packet sent before is no reason to stop.
      socket.on('error', () => undefined);
      resolve(over(socket, type));
    });
  });
}

function over(socket: Socket, type: 'udp4' | 'udp6'): ProbeSocket {
  let isOpen = true;
  return {
    port: socket.address().port,
    send: (bytes, to) => {
      const { address, port } = splitEndpoint(to);
      const isV6 = address.includes(':');
      if (!isOpen || (isV6 && type === 'udp4')) return;
      socket.send(bytes, port, isV6 || type === 'udp4' ? address : `::ffff:${address}`, () => undefined);
    },
    close: () => {
      isOpen = false;
      socket.close();
    },
  };
}

/** Undefined for what nobody could be answered at: port 0, a link-local source. */
function readSource(address: string, port: number): Endpoint | undefined {
  const text = address.startsWith('::ffff:') ? address.slice(7) : address;
  if (!isAddress(text)) return undefined;
  try {
    return makeEndpoint(text, port);
  } catch {
    return undefined;
  }
}
