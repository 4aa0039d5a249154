/**
 * Question, answer and thanks over the channel: a ping, a pong that tells where the ping came from and asks back, an ack
 * of that. Each side ends with a proof of its own, and nobody is sent more than it sent.
 */
import { randomBytes } from 'node:crypto';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { Channel } from '../probe/channel.ts';
import {
  decodeEndpoint,
  encodeEndpoint,
  endpointBytes,
  leastProbeBytes,
  mostProbeBytes,
  probeKinds,
} from '../probe/wire.ts';

export interface ExchangeEvents {
  /** A signed ping came from there; it may be a replay. */
  onPing(peer: PublicKey, from: Endpoint, isSeeking: boolean): void;
  /** An answer to `transaction`; `mapped` is what the peer saw of this host. */
  onPong(
    peer: PublicKey,
    from: Endpoint,
    transaction: string,
    mapped: Endpoint | undefined,
    isPskSpoken: boolean,
  ): void;
  /** What the peer was asked in a pong came back from there. */
  onAck(peer: PublicKey, from: Endpoint): void;
}

export interface Exchange {
  /** `padding`: bytes more than the least. */
  ping(peer: PublicKey, to: Endpoint, transaction: string, ask: { isSeeking: boolean; padding?: number }): void;
}

const transactionBytes = 8;
/** The byte after a pong's family, which is no part of the endpoint: bits for what the agent can do. Older ones say nothing. */
const abilitiesAt = 1;
const pskSpoken = 1;
/** A ping is as long as the longest pong. */
const bodyBytes = endpointBytes + transactionBytes;
/** WireGuard's own 32 bytes are around what is inside the tunnel (paper, section 5.4.6); UDP and IP are around both alike. */
const wireguardBytes = 32;

/** With so much padding a ping is as large as the tunnel's packet around `innerBytes`. */
export const paddingFor = (innerBytes: number): number =>
  Math.max(0, Math.min(innerBytes + wireguardBytes, mostProbeBytes) - leastProbeBytes - bodyBytes);
/** Questions asked back that wait for their ack. */
const mostWaiting = 4096;

export const newTransaction = (): string => randomBytes(transactionBytes).toString('hex');

/** `isPskSpoken`: what this agent says of itself in its pongs. */
export function startExchange(channel: Channel, events: ExchangeEvents, isPskSpoken = false): Exchange {
  const waiting = new Map<string, string>();
  channel.on(probeKinds.ping, ({ peer, from, transaction, body }) => {
    if (body.length < bodyBytes) return;
    events.onPing(peer, from, body.readUInt8(0) === 1);
    const back = newTransaction();
    if (waiting.size >= mostWaiting) waiting.delete(waiting.keys().next().value ?? '');
    waiting.set(`${peer} ${back}`, from);
    const pong = Buffer.concat([encodeEndpoint(from), Buffer.from(back, 'hex')]);
    pong.writeUInt8(isPskSpoken ? pskSpoken : 0, abilitiesAt);
    channel.send(from, peer, { kind: probeKinds.pong, transaction, body: pong });
  });
  channel.on(probeKinds.pong, ({ peer, from, transaction, body }) => {
    if (body.length !== bodyBytes) return;
    const isSpoken = (body.readUInt8(abilitiesAt) & pskSpoken) !== 0;
    events.onPong(peer, from, transaction.toString('hex'), decodeEndpoint(body), isSpoken);
    const back = body.subarray(endpointBytes);
    channel.send(from, peer, { kind: probeKinds.ack, transaction: back, body: Buffer.alloc(0) });
  });
  channel.on(probeKinds.ack, ({ peer, from, transaction }) => {
    const key = `${peer} ${transaction.toString('hex')}`;
    if (waiting.get(key) !== from) return;
    waiting.delete(key);
    events.onAck(peer, from);
  });
  return {
    ping: (peer, to, transaction, { isSeeking, padding = 0 }) => {
      const body = Buffer.alloc(bodyBytes + padding);
      body.writeUInt8(isSeeking ? 1 : 0, 0);
      channel.send(to, peer, { kind: probeKinds.ping, transaction: Buffer.from(transaction, 'hex'), body });
    },
  };
}
