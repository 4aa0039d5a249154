/** One link of this host with a relay, for one peer, and how patient it is. Pure; times in ms of one clock. */
import { type Endpoint, makeEndpoint, splitEndpoint } from '../../shared/net/endpoint.ts';
import type { ProbeId } from './wire.ts';

export interface Link {
  readonly peer: ProbeId;
  readonly relay: ProbeId;
  /** The relay's own, where it is asked; its port for us is at the same address. */
  endpoint: Endpoint;
  phase: 'asking' | 'claiming' | 'through';
  port: number;
  /** The last few, newest last: an answer may be slower than the next question. */
  transactions: string[];
  beganAt: number;
  sentAt: number;
  answeredAt: number;
  tries: number;
  nextAt: number;
}

/** Port 0: none yet, the relay is asked for one. */
export const newLink = (peer: ProbeId, relay: ProbeId, endpoint: Endpoint, port: number, now: number): Link => ({
  peer,
  relay,
  endpoint,
  port,
  phase: port === 0 ? 'asking' : 'claiming',
  transactions: [],
  beganAt: now,
  sentAt: -Infinity,
  answeredAt: -Infinity,
  tries: 0,
  nextAt: now,
});

/** As if it had never been asked for. */
export function restart(link: Link, now: number, waitMs: number): void {
  Object.assign(link, { phase: 'asking', port: 0, transactions: [], tries: 0, beganAt: now, nextAt: now + waitMs });
}

export const portEndpoint = ({ endpoint, port }: Link): Endpoint => makeEndpoint(splitEndpoint(endpoint).address, port);
