/**
 * Asks the server, from WireGuard's own port, where that came from: `WRR1`, kind, three zeros, a transaction, and in the
 * answer an endpoint; 64 bytes both ways. It is one more sight beside those of the peers, and the first one of a host
 * that has none.
 */
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Channel } from '../probe/channel.ts';
import { decodeEndpoint } from '../probe/wire.ts';
import { newTransaction } from './exchange.ts';

const magic = 0x57525231;
const bytesBothWays = 64;
const kinds = { ask: 1, answer: 2 };
/** A NAT forgets a mapping of UDP after 30 s at the soonest. */
const againMs = 25_000;
/** Without an answer: soon for a while, then as seldom as ever. */
const retriesMs = [500, 1000, 2000, 5000];

export interface ReflectorOptions {
  readonly channel: Channel;
  readonly clock: Clock;
  /** Where the server reflects; undefined while that is not known. */
  readonly server: () => Endpoint | undefined;
  readonly onSight: (observer: Endpoint, mapped: Endpoint) => void;
}

export interface Reflector {
  /** Something changed: ask now. */
  ask(): void;
  stop(): void;
}

export function startReflector({ channel, clock, server, onSight }: ReflectorOptions): Reflector {
  let waiting: { readonly transaction: string; readonly at: Endpoint } | undefined;
  let tries = 0;
  let timer: Timer | undefined;
  let isStopped = false;
  const turn = (): void => {
    const at = server();
    waiting = undefined;
    if (at !== undefined) {
      waiting = { transaction: newTransaction(), at };
      channel.sendRaw(at, encodeAsk(waiting.transaction));
    }
    const waitMs = retriesMs[tries] ?? againMs;
    tries += 1;
    if (!isStopped) timer = clock.after(waitMs, turn);
  };
  const askNow = (): void => {
    tries = 0;
    timer?.cancel();
    turn();
  };
  channel.onStray((bytes, from) => {
    const mapped = waiting?.at === from ? decodeAnswer(bytes, waiting.transaction) : undefined;
    if (mapped === undefined || isStopped) return;
    waiting = undefined;
    timer?.cancel();
    timer = clock.after(againMs, turn);
    onSight(from, mapped);
  });
  turn();
  return {
    ask: askNow,
    stop: () => {
      isStopped = true;
      timer?.cancel();
    },
  };
}

function encodeAsk(transaction: string): Buffer {
  const bytes = Buffer.alloc(bytesBothWays);
  bytes.writeUInt32BE(magic, 0);
  bytes.writeUInt8(kinds.ask, 4);
  bytes.write(transaction, 8, 'hex');
  return bytes;
}

function decodeAnswer(bytes: Buffer, transaction: string): Endpoint | undefined {
  if (bytes.length !== bytesBothWays || bytes.readUInt32BE(0) !== magic || bytes.readUInt8(4) !== kinds.answer)
    return undefined;
  return bytes.toString('hex', 8, 16) === transaction ? decodeEndpoint(bytes.subarray(16)) : undefined;
}
