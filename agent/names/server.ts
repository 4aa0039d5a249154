/**
 * The sockets: UDP and TCP on the bridge's own addresses, for containers of this host and the host itself and nobody
 * else. What comes in is answered from the zone at once, or asked of the host's servers within bounds.
 */
import { type Socket as UdpSocket, createSocket } from 'node:dgram';
import { type Server as TcpServer, type Socket as TcpSocket, createServer } from 'node:net';
import type { Address } from '../../shared/net/address.ts';
import { framed } from './upstream.ts';

export type Respond = (query: Buffer, from: string, isTcp: boolean) => Promise<Buffer | undefined>;

export interface Listener {
  close(): void;
}

/** Resolves when both sockets listen. Throws what the system says, `EADDRINUSE` or `EADDRNOTAVAIL`. */
export async function listenOn(address: Address, port: number, respond: Respond): Promise<Listener> {
  const udp = await openUdp(address, port, respond);
  try {
    const tcp = await openTcp(address, port, respond);
    return {
      close: () => {
        udp.close();
        tcp.close();
        for (const socket of tcp.open) socket.destroy();
      },
    };
  } catch (error) {
    udp.close();
    throw error;
  }
}

function openUdp(address: Address, port: number, respond: Respond): Promise<UdpSocket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', ipv6Only: address.includes(':') });
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.on('message', (query, { address: from, port: fromPort }) => {
      // One question costs its own answer at most; `send` throws for port 0, which a container can send from.
      reply(socket, respond(query, from, false), from, fromPort).catch(() => undefined);
    });
    socket.bind(port, address, () => {
      socket.removeAllListeners('error');
      // A packet that could not be sent back is no reason to stop.
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}

async function reply(socket: UdpSocket, answered: ReturnType<Respond>, to: string, port: number): Promise<void> {
  const bytes = await answered;
  if (bytes !== undefined && isOpen(socket)) socket.send(bytes, port, to);
}

function isOpen(socket: UdpSocket): boolean {
  try {
    socket.address();
    return true;
  } catch {
    return false;
  }
}

const mostConnections = 256;
const idleMs = 10_000;
/** Longer than any question. */
const mostQueryBytes = 4_096;

function openTcp(address: Address, port: number, respond: Respond): Promise<TcpServer & { open: Set<TcpSocket> }> {
  return new Promise((resolve, reject) => {
    const open = new Set<TcpSocket>();
    const server = createServer((socket) => {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
      serve(socket, respond);
    });
    server.maxConnections = mostConnections;
    server.once('error', reject);
    server.listen({ host: address, port, ipv6Only: address.includes(':') }, () => {
      server.off('error', reject);
      server.on('error', () => undefined);
      resolve(Object.assign(server, { open }));
    });
  });
}

/** Question after question on one connection, each answered before the next is read. */
function serve(socket: TcpSocket, respond: Respond): void {
  let got = Buffer.alloc(0);
  let isBusy = false;
  const next = async (): Promise<void> => {
    if (isBusy || got.length < 2) return;
    const length = got.readUInt16BE(0);
    if (length > mostQueryBytes) return void socket.destroy();
    if (got.length < 2 + length) return;
    const query = Buffer.from(got.subarray(2, 2 + length));
    got = got.subarray(2 + length);
    isBusy = true;
    const reply = await respond(query, socket.remoteAddress ?? '', true);
    isBusy = false;
    if (reply === undefined) return void socket.destroy();
    socket.write(framed(reply));
    return next();
  };
  socket.setTimeout(idleMs, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    got = Buffer.concat([got, chunk]);
    if (got.length > 2 * mostQueryBytes) socket.destroy();
    else next().catch(() => socket.destroy());
  });
}
