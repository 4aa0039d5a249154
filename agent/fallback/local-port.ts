/**
 * Where the tunnel to one peer enters and leaves this host's own stream: a UDP port on loopback that is the peer's endpoint
 * for WireGuard, and for the probes that have its port. Nobody else's packets are taken.
 */
import { type Socket, createSocket } from 'node:dgram';
import { parseAddress } from '../../shared/net/address.ts';
import { type Endpoint, makeEndpoint } from '../../shared/net/endpoint.ts';
import type { PortRange } from '../relay/ports.ts';

export interface LocalPort {
  readonly endpoint: Endpoint;
  /** To WireGuard, as if the peer had sent it from here. */
  deliver(packet: Buffer): void;
  close(): void;
}

export interface LocalPortOptions {
  readonly listenPort: () => number;
  /** A relay's own rules take what comes to these. */
  readonly avoid: PortRange;
  readonly onPacket: (packet: Buffer) => void;
}

const loopback = parseAddress('127.0.0.1');
const bufferBytes = 1024 * 1024;

/** Rejects with what the system says. */
export async function openLocalPort({ listenPort, avoid, onPacket }: LocalPortOptions): Promise<LocalPort> {
  const socket = await bindOutside(avoid);
  let isOpen = true;
  socket.on('error', () => undefined);
  socket.on('message', (packet, { address, port }) => {
    if (address === loopback && port === listenPort()) onPacket(packet);
  });
  return {
    endpoint: makeEndpoint(loopback, socket.address().port),
    deliver: (packet) => {
      if (isOpen) socket.send(packet, listenPort(), loopback, () => undefined);
    },
    close: () => {
      isOpen = false;
      socket.close();
    },
  };
}

/** The kernel gives another port as long as the unfit ones are held. */
async function bindOutside({ first, last }: PortRange): Promise<Socket> {
  const unfit: Socket[] = [];
  try {
    for (;;) {
      const socket = await bind();
      const { port } = socket.address();
      if (port < first || port > last) return socket;
      unfit.push(socket);
    }
  } finally {
    for (const socket of unfit) socket.close();
  }
}

function bind(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: 'udp4', recvBufferSize: bufferBytes });
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind(0, loopback, () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}
