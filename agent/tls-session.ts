/**
 * The newest TLS session with one server, so that a reconnect is a short handshake. Node's own pool forgets a session
 * when its connection ends with an error, and that is how most feeds end.
 */
import type { TLSSocket } from 'node:tls';

export interface TlsSession {
  current(): Buffer | undefined;
  /** Learns from a connection that is being made. */
  watch(socket: TLSSocket): void;
}

export function createTlsSession(): TlsSession {
  let session: Buffer | undefined;
  return {
    current: () => session,
    watch: (socket) => {
      let isHalfOpen = false;
      socket.on('session', (made) => (session = made));
      socket.once('connect', () => (isHalfOpen = true));
      socket.once('secureConnect', () => (isHalfOpen = false));
      // Should the server ever choke on a session, the next try is made without.
      socket.once('close', () => {
        if (isHalfOpen) session = undefined;
      });
    },
  };
}
