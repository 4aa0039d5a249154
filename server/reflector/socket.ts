/** One UDP socket that answers some packets, from where they came to, and survives whatever comes. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { Logger } from 'pino';
import { type Address, isAddress } from '../../shared/net/address.ts';

export interface Source {
  readonly address: Address;
  readonly port: number;
}

/** What goes back, if anything does. */
export type Answer = (bytes: Buffer, from: Source) => Buffer | undefined;

export interface SocketOptions {
  readonly address: string;
  readonly port: number;
  /** True: other sockets of this process, bound to one address each, may have the same port. */
  readonly isShared: boolean;
  readonly answer: Answer;
  readonly log: Pick<Logger, 'debug' | 'warn'>;
}

export interface Socket {
  readonly port: number;
  close(): Promise<void>;
}

export async function openSocket({ address, port, isShared, answer, log }: SocketOptions): Promise<Socket> {
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', reuseAddr: isShared });
  const bound = once(socket, 'listening');
  try {
    socket.bind({ address, port });
    await bound;
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.on('error', (error) => log.warn({ err: error, address }, 'reflector socket failed'));
  socket.on('message', (bytes, remote) => {
    const from = sourceOf(remote);
    const reply = from === undefined ? undefined : answer(bytes, from);
    if (reply === undefined) return;
    socket.send(reply, remote.port, remote.address, (error) => {
      if (error !== null) log.debug({ err: error }, 'reflector answer not sent');
    });
  });
  return {
    port: socket.address().port,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

/** Undefined for who cannot be told: no port, or an address with a zone. */
function sourceOf({ address, port }: { address: string; port: number }): Source | undefined {
  const bare = address.replace(/^::ffff:(?=\d+\.)/, '');
  return port !== 0 && isAddress(bare) ? { address: bare, port } : undefined;
}
