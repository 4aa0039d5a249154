/**
 * Tells whoever asks by UDP where the question came from: how a host without peers learns what its NAT makes of it. It
 * keeps no state of hosts, knows nothing of the mesh, and is no use for amplification (`packet.ts`, `limit.ts`).
 */
import { lookup } from 'node:dns/promises';
import type { Logger } from 'pino';
import type { SocketAddress } from '../config.ts';
import { type ReflectorLimits, createLimit, defaultLimits } from './limit.ts';
import { ownAddresses } from './own-addresses.ts';
import { makeAnswer, readAsk } from './packet.ts';
import { type Answer, type Socket, openSocket } from './socket.ts';

export interface ReflectorOptions {
  readonly at: SocketAddress;
  readonly log: Pick<Logger, 'debug' | 'warn'>;
  readonly limits?: ReflectorLimits;
  /** Addresses of this machine that others may ask at. */
  readonly addresses?: () => readonly string[];
  /** Counts what was answered and what was not. */
  readonly count?: (isAnswered: boolean) => void;
}

export interface Reflector {
  readonly port: number;
  close(): Promise<void>;
}

/** Throws what the system says where the port cannot be had. */
export async function openReflector(options: ReflectorOptions): Promise<Reflector> {
  const { at, log, limits = defaultLimits, addresses = ownAddresses, count = () => undefined } = options;
  const mayAnswer = createLimit(limits);
  const answer: Answer = (bytes, from) => {
    const transaction = readAsk(bytes);
    const isAnswered = transaction !== undefined && mayAnswer(from.address, performance.now());
    count(isAnswered);
    return isAnswered ? makeAnswer(transaction, from.address, from.port) : undefined;
  };
  const { address } = await lookup(at.host);
  const isEverywhere = address === '0.0.0.0' || address === '::';
  const main = await openSocket({ address, port: at.port, isShared: isEverywhere, answer, log });
  const own = isEverywhere ? keepOwnSockets({ main, address, addresses, answer, log }) : undefined;
  return {
    port: main.port,
    close: async () => {
      await own?.close();
      await main.close();
    },
  };
}

interface OwnSocketsOptions extends Pick<ReflectorOptions, 'log'> {
  readonly main: Socket;
  /** Which wildcard `main` is bound to. */
  readonly address: string;
  readonly addresses: () => readonly string[];
  readonly answer: Answer;
}

/** How often addresses that come and go are looked for. */
const lookEveryMs = 30_000;

/**
 * A socket of its own for each address of the machine. One socket for all answers from whichever address the system
 * prefers, and where that is not the one that was asked, the asker's NAT throws the answer away. What has no socket here
 * yet is answered by the one for all.
 */
function keepOwnSockets({ main, address: wildcard, addresses, answer, log }: OwnSocketsOptions) {
  const sockets = new Map<string, Socket>();
  let isClosed = false;
  const look = async (): Promise<void> => {
    const wanted = new Set(addresses().filter((address) => wildcard === '::' || !address.includes(':')));
    for (const [address, socket] of sockets) {
      if (wanted.has(address)) continue;
      sockets.delete(address);
      await socket.close();
    }
    for (const address of wanted) {
      if (sockets.has(address) || isClosed) continue;
      try {
        sockets.set(address, await openSocket({ address, port: main.port, isShared: true, answer, log }));
      } catch (error) {
        log.debug({ err: error, address }, 'reflector has no socket for an address of this machine');
      }
    }
  };
  let looking = Promise.resolve();
  const lookAgain = (): void => {
    looking = looking.then(look).catch((error: unknown) => {
      log.warn({ err: error }, 'reflector cannot tell the addresses of this machine');
    });
  };
  lookAgain();
  const timer = setInterval(lookAgain, lookEveryMs).unref();
  return {
    close: async () => {
      isClosed = true;
      clearInterval(timer);
      await looking;
      await Promise.all([...sockets.values()].map((socket) => socket.close()));
    },
  };
}
