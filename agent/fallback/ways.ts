/**
 * The ways over TLS of this host: a port on loopback for each peer and relay, opened once the stream stands, offered while
 * it does, and kept where the stream breaks, so that the tunnel finds it again at the same endpoint.
 */
import type { Logger } from 'pino';
import { asWarrenError } from '../../shared/errors.ts';
import type { HostId, HostName } from '../../shared/names.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { PortRange } from '../relay/ports.ts';
import { type LocalPort, openLocalPort } from './local-port.ts';

export interface WaysOptions {
  readonly log: Logger;
  readonly listenPort: () => number;
  readonly avoid: PortRange;
  readonly nameOf: (relay: HostId) => HostName | undefined;
  /** Undefined takes it back. */
  readonly offer: (peer: HostId, via: HostName, endpoint: Endpoint | undefined) => void;
  /** Whoever was offered it may have forgotten it in between. */
  readonly isOffered: (peer: HostId, endpoint: Endpoint) => boolean;
  /** Over the stream with the relay. */
  readonly send: (peer: HostId, relay: HostId, packet: Buffer) => void;
  /** For tests; a real one by default. */
  readonly open?: typeof openLocalPort;
}

export interface Ways {
  /** The peers that are wanted, and the relays whose streams stand for each. */
  stand(wanted: ReadonlyMap<HostId, readonly HostId[]>): void;
  /** To WireGuard; false where there is no way yet, and the packet is lost. */
  deliver(peer: HostId, relay: HostId, packet: Buffer): boolean;
  fault(): string | undefined;
  stop(): void;
}

interface Way {
  readonly peer: HostId;
  readonly relay: HostId;
  port: LocalPort | undefined;
  /** The relay's name that it is offered with; undefined: it is not. */
  via: HostName | undefined;
  isClosed: boolean;
}

/** A descriptor each. */
const mostWays = 1_024;

export function createWays(options: WaysOptions): Ways {
  const { log, listenPort, avoid, nameOf, offer, isOffered, send, open = openLocalPort } = options;
  const ways = new Map<string, Way>();
  let wanted: ReadonlyMap<HostId, readonly HostId[]> = new Map();
  let fault: string | undefined;

  const keyOf = (peer: HostId, relay: HostId): string => `${peer} ${relay}`;
  const stands = ({ peer, relay }: Way): boolean => wanted.get(peer)?.includes(relay) === true;
  const show = (way: Way): void => {
    const { peer, relay, port } = way;
    if (port === undefined) return;
    const via = stands(way) ? nameOf(relay) : undefined;
    if (way.via !== undefined && way.via !== via) offer(peer, way.via, undefined);
    if (via !== undefined && (way.via !== via || !isOffered(peer, port.endpoint))) offer(peer, via, port.endpoint);
    way.via = via;
  };
  const close = (way: Way): void => {
    way.isClosed = true;
    ways.delete(keyOf(way.peer, way.relay));
    if (way.via !== undefined) offer(way.peer, way.via, undefined);
    way.port?.close();
  };
  const begin = async (peer: HostId, relay: HostId): Promise<void> => {
    const way: Way = { peer, relay, port: undefined, via: undefined, isClosed: false };
    ways.set(keyOf(peer, relay), way);
    try {
      const port = await open({ listenPort, avoid, onPacket: (packet) => send(peer, relay, packet) });
      fault = undefined;
      if (way.isClosed) return port.close();
      way.port = port;
      show(way);
    } catch (error) {
      fault = asWarrenError(error).message;
      log.debug({ why: fault }, 'no way over tls');
      ways.delete(keyOf(peer, relay));
    }
  };
  return {
    stand: (now) => {
      wanted = now;
      for (const way of ways.values()) if (!wanted.has(way.peer)) close(way);
      for (const [peer, relays] of wanted) {
        for (const relay of relays) {
          if (ways.has(keyOf(peer, relay))) continue;
          if (ways.size < mostWays) void begin(peer, relay);
          else fault = `${mostWays} ways over TLS are the most; the other peers have none`;
        }
      }
      for (const way of ways.values()) show(way);
    },
    deliver: (peer, relay, packet) => {
      const port = ways.get(keyOf(peer, relay))?.port;
      port?.deliver(packet);
      return port !== undefined;
    },
    fault: () => fault,
    stop: () => {
      for (const way of ways.values()) close(way);
    },
  };
}
