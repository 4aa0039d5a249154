/**
 * Probes between this host and the hosts of its map. A handler hears only of what a peer of the map has signed for this
 * host; what was signed may be a replay, so nothing but an answer to one's own fresh transaction proves anything.
 */
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import { type ProbeSocket, openProbeSocket } from './socket.ts';
import { decodeProbe, encodeProbe, isGenuine, mostProbeBytes, senderOf } from './wire.ts';

export interface Message {
  readonly peer: PublicKey;
  readonly from: Endpoint;
  readonly transaction: Buffer;
  readonly body: Buffer;
}

export interface Channel {
  /** Of the socket whose packets the kernel lends WireGuard's port to; undefined where there is none. */
  port(): number | undefined;
  /** Whose probes are taken from now on. */
  know(peers: Iterable<PublicKey>): void;
  send(to: Endpoint, peer: PublicKey, probe: { kind: number; transaction: Buffer; body: Buffer }): void;
  /** Bytes of another make, to what is no peer; nothing is added. */
  sendRaw(to: Endpoint, bytes: Buffer): void;
  /** For what is no probe but came to WireGuard's port all the same; it may come from anybody. */
  onStray(handler: (bytes: Buffer, from: Endpoint) => void): void;
  /** One handler per kind. */
  on(kind: number, handler: (message: Message) => void): void;
  close(): void;
}

export interface ProbeKeys {
  readonly publicKey: PublicKey;
  readonly pairKey: (peer: PublicKey) => Buffer | undefined;
}

export interface ChannelOptions {
  /** Asked for each packet: a host's key is replaced now and then. */
  readonly keys: () => ProbeKeys;
  /** A port to have if it is free. */
  readonly port?: number;
  /** For tests; a real one by default. */
  readonly open?: typeof openProbeSocket;
}

/** Throws what the system says where no socket can be had. */
export async function openChannel(options: ChannelOptions): Promise<Channel> {
  const { keys } = options;
  let onStray: (bytes: Buffer, from: Endpoint) => void = () => undefined;
  const senders = new Map<PublicKey, string>();
  let peers = new Map<string, PublicKey>();
  const handlers = new Map<number, (message: Message) => void>();
  const receive = (bytes: Buffer, from: Endpoint): void => {
    const probe = decodeProbe(bytes);
    if (probe === undefined) return onStray(bytes, from);
    const peer = peers.get(probe.sender);
    const handler = handlers.get(probe.kind);
    if (peer === undefined || handler === undefined || bytes.length > mostProbeBytes) return;
    const key = keys().pairKey(peer);
    if (key === undefined || !isGenuine(bytes, key)) return;
    handler({ peer, from, transaction: Buffer.from(probe.transaction), body: Buffer.from(probe.body) });
  };
  const socket: ProbeSocket = await (options.open ?? openProbeSocket)(receive, options.port);
  return {
    port: () => socket.port,
    know: (wanted) => {
      peers = new Map();
      for (const key of wanted) {
        const sender = senders.get(key) ?? senderOf(key);
        senders.set(key, sender);
        peers.set(sender, key);
      }
      for (const [key, sender] of senders) if (!peers.has(sender)) senders.delete(key);
    },
    send: (to, peer, { kind, transaction, body }) => {
      const { pairKey, publicKey } = keys();
      const key = pairKey(peer);
      if (key === undefined) return;
      socket.send(encodeProbe({ kind, sender: senderOf(publicKey), transaction, body }, key), to);
    },
    sendRaw: (to, bytes) => socket.send(bytes, to),
    onStray: (handler) => (onStray = handler),
    on: (kind, handler) => void handlers.set(kind, handler),
    close: () => socket.close(),
  };
}
