/**
 * A host as relay: hears what hosts of its map ask, and keeps the kernel forwarding for pairs of them. Level-triggered:
 * whatever happens only wakes a round, which brings the kernel to what the book of pairs says. The kernel goes on while
 * the agent is away, and the next agent takes over what it finds.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { asWarrenError } from '../../shared/errors.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { Clock } from '../clock.ts';
import type { Fault } from '../failures.ts';
import type { Channel } from '../probe/channel.ts';
import { senderOf } from '../probe/wire.ts';
import { createRounds } from '../reconcile/rounds.ts';
import { createTimers } from '../reconcile/timers.ts';
import type { RelayKernel } from './kernel.ts';
import { type Said, createPairs } from './pairs.ts';
import type { PortRange } from './ports.ts';
import { type ProbeId, decodeBody, relayKinds } from './wire.ts';

export interface RelayOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly channel: Channel;
  readonly kernel: RelayKernel;
  readonly range: PortRange;
  readonly tunnel: string;
  readonly listenPort: () => number;
  /** Where a host is reached directly; undefined where it is not. */
  readonly whereIs: (host: PublicKey) => Endpoint | undefined;
}

export interface Relay {
  /** Whose packets may be forwarded; undefined while this host is no relay. */
  serve(hosts: Iterable<PublicKey> | undefined): void;
  /** The kernel may have changed. */
  look(): void;
  /** Pairs that have ports here; undefined while this host is no relay. */
  pairCount(): number | undefined;
  faults(): readonly Fault[];
  stop(): Promise<void>;
}

const sweepMs = 30_000;
const gatherMs = 500;

export function startRelay(options: RelayOptions): Relay {
  const { clock, log, channel, kernel, range } = options;
  const timers = createTimers(clock);
  const secret = randomBytes(32);
  const sign = (text: string): string => createHmac('sha256', secret).update(text).digest('hex').slice(0, 32);
  const pairs = createPairs({ range, sign });
  let keys: ReadonlyMap<ProbeId, PublicKey> | undefined;
  let isLookDue = true;
  let isClear = false;
  let packets: ReadonlyMap<number, number> = new Map();

  const say = ({ kind, host, to, transaction, body }: Said): void => {
    const key = keys?.get(host);
    const at = to ?? (key === undefined ? undefined : options.whereIs(key));
    if (key === undefined || at === undefined) return;
    channel.send(at, key, { kind, transaction: transactionBytes(transaction), body });
  };
  const look = async (): Promise<void> => {
    isLookDue = false;
    const seen = await kernel.look();
    const isUsed = (port: number): boolean => (seen.packets.get(port) ?? 0) > (packets.get(port) ?? 0);
    pairs.adopt(seen.forwards, clock.now());
    pairs.sweep(isUsed, clock.now());
    packets = seen.packets;
  };
  const round = async (): Promise<void> => {
    try {
      if (keys === undefined) {
        if (!isClear) await kernel.clear();
        isClear = true;
        return;
      }
      isClear = false;
      if (isLookDue) await look();
      const { tunnel } = options;
      const wish = { range, tunnel, listenPort: options.listenPort(), probePort: channel.port() ?? 0 };
      const held = await kernel.place(wish, pairs.forwards());
      for (const said of pairs.placed(held)) say(said);
    } catch (error) {
      log.warn({ why: asWarrenError(error).message }, 'relay not in the kernel');
    }
  };
  const rounds = createRounds(round, (error) => log.error({ err: error }, 'the relay broke'));
  const lookSoon = (): void => {
    isLookDue = true;
    if (keys !== undefined) rounds.ask();
  };
  timers.every('sweep', sweepMs, lookSoon);
  for (const kind of [relayKinds.ask, relayKinds.claim, relayKinds.echo]) {
    channel.on(kind, ({ peer, from, transaction, body }) => {
      const parsed = decodeBody(body);
      if (keys === undefined || parsed === undefined) return;
      const heard = { kind, host: senderOf(peer), from, transaction: transaction.toString('hex'), body: parsed };
      for (const said of pairs.hear(heard, clock.now())) say(said);
      // Nothing else changes what the kernel should hold.
      if (kind === relayKinds.echo) rounds.ask();
    });
  }
  return {
    serve: (hosts) => {
      keys = hosts === undefined ? undefined : new Map([...hosts].map((key) => [senderOf(key), key]));
      pairs.setMembers(new Set(keys?.keys()));
      rounds.ask();
    },
    // A host that works hard ends passes by the dozen.
    look: () => timers.later('look', gatherMs, lookSoon),
    pairCount: () => (keys === undefined ? undefined : pairs.count()),
    faults: () => {
      const why = kernel.fault();
      return keys === undefined || why === undefined ? [] : [{ kind: 'relay', subject: 'kernel', why }];
    },
    stop: async () => {
      timers.stop();
      await rounds.stop();
    },
  };
}

const transactionBytes = (hex: string | undefined): Buffer =>
  hex === undefined ? randomBytes(8) : Buffer.from(hex, 'hex');
