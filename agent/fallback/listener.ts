/**
 * A relay's door for hosts that no UDP packet reaches: TLS on one TCP port, open to hosts of its own map alone, one stream
 * each. It knows nothing of where packets go.
 */
import { type Socket } from 'node:net';
import { type TLSSocket, createServer } from 'node:tls';
import type { Logger } from 'pino';
import { asWarrenError } from '../../shared/errors.ts';
import type { HostId } from '../../shared/names.ts';
import type { Clock } from '../clock.ts';
import { createTimers } from '../reconcile/timers.ts';
import type { Credentials } from '../state.ts';
import { alpn, hostAt, tlsContext } from './credentials.ts';
import type { Frame } from './frame.ts';
import { type Link, openLink } from './link.ts';
import type { ListenAt } from './listen-at.ts';

export interface Listener {
  /** Streams of hosts that are here now. */
  readonly links: ReadonlyMap<HostId, Link>;
  /** The port, while it listens. */
  port(): number | undefined;
  /** The host's certificate is another one. */
  refresh(): void;
  /** Who is not admitted any more is cut off. */
  sift(): void;
  /** Why it does not listen. */
  fault(): string | undefined;
  stop(): void;
}

export interface ListenerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly at: ListenAt;
  readonly credentials: () => Promise<Credentials>;
  readonly isAdmitted: (host: HostId) => boolean;
  readonly onFrame: (from: HostId, frame: Frame) => void;
  /** Somebody came or left, or it listens now, or no more. */
  readonly onChange: () => void;
}

const handshakeMs = 5_000;
const retryMs = 5_000;
/** Strangers that have not shown a certificate yet, in all and from one address (many hosts may be behind one). */
const mostStrangers = 256;
const mostStrangersOfOne = 32;
/** Each host has one stream, so this is how many hosts a relay serves. */
const mostStreams = 4_096;

export function startListener(options: ListenerOptions): Listener {
  const { clock, log, at, isAdmitted, onFrame, onChange } = options;
  const timers = createTimers(clock);
  const links = new Map<HostId, Link>();
  const strangers = new Map<string, Socket>();
  let own: Credentials | undefined;
  let port: number | undefined;
  let fault: string | undefined;
  let isStopped = false;

  const admit = (socket: TLSSocket): void => {
    const host = own && hostAt(socket, own, clock.now());
    if (host === undefined || !isAdmitted(host.id)) return void socket.destroy();
    socket.setNoDelay(true);
    strangers.delete(endOf(socket));
    // The newest is the one that works: a host that comes again may not know yet that its last stream is dead.
    links.get(host.id)?.close();
    const name = `end ${host.id}`;
    const link = openLink(socket, clock, {
      onFrame: (frame) => onFrame(host.id, frame),
      onClose: () => {
        if (links.get(host.id) !== link) return;
        links.delete(host.id);
        timers.cancel(name);
        onChange();
      },
    });
    links.set(host.id, link);
    // A certificate that is not renewed gives no right any more; hosts connect anew with the next one.
    timers.later(name, Math.min(host.expiresAt - clock.now(), longestTimerMs), () => link.close());
    onChange();
  };
  const server = createServer({
    ALPNProtocols: [alpn],
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: handshakeMs,
  });
  server.maxConnections = mostStreams + mostStrangers;
  server.on('connection', (socket: Socket) => {
    const end = endOf(socket);
    const ofOne = [...strangers.values()].filter(({ remoteAddress }) => remoteAddress === socket.remoteAddress).length;
    if (strangers.size >= mostStrangers || ofOne >= mostStrangersOfOne) return void socket.destroy();
    strangers.set(end, socket);
    socket.once('close', () => {
      if (strangers.get(end) === socket) strangers.delete(end);
    });
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    if (links.size >= mostStreams || isStopped) return void socket.destroy();
    admit(socket);
  });
  server.on('tlsClientError', (_, socket) => socket.destroy());
  server.on('error', (error) => {
    fault = error.message;
    port = undefined;
    timers.later('listen', retryMs, () => void listen());
    onChange();
  });
  server.on('listening', () => {
    const address = server.address();
    port = typeof address === 'object' && address !== null ? address.port : undefined;
    fault = undefined;
    onChange();
  });
  const listen = async (): Promise<void> => {
    try {
      own = await options.credentials();
      if (isStopped) return;
      server.setSecureContext(tlsContext(own));
      if (!server.listening) server.listen(at.port, at.address);
    } catch (error) {
      fault = asWarrenError(error).message;
      log.debug({ why: fault }, 'no relaying over tls');
      timers.later('listen', retryMs, () => void listen());
    }
  };
  void listen();
  return {
    links,
    port: () => port,
    refresh: () => void listen(),
    sift: () => {
      for (const [host, link] of links) if (!isAdmitted(host)) link.close();
    },
    fault: () => fault,
    stop: () => {
      isStopped = true;
      port = undefined;
      timers.stop();
      server.close();
      for (const socket of strangers.values()) socket.destroy();
      for (const link of links.values()) link.close();
    },
  };
}

/** The same for a socket and for the TLS around it. */
const endOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

/** Longer than any certificate of a host lives; node's timers end at 24 days. */
const longestTimerMs = 20 * 86_400_000;
