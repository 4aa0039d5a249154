/**
 * What a relay answers to what hosts say. Nothing is kept of a claim until its challenge came back from where it went, so
 * claims from forged addresses cost a packet each and no memory, and a word that was recorded proves nothing. Pure but
 * for the book; the caller owns clock, packets and kernel.
 */
import type { Endpoint } from '../../shared/net/endpoint.ts';
import { type Forward, type Place, createBook, families, familyOf, forwardsOf } from './book.ts';
import type { PortRange } from './ports.ts';
import {
  type ProbeId,
  type RelayBody,
  type RelayRefusal,
  encodeBody,
  noChallenge,
  refusals,
  relayKinds,
} from './wire.ts';

/** What came to the relay, signed by `host`. */
export interface Heard {
  readonly kind: number;
  readonly host: ProbeId;
  readonly from: Endpoint;
  readonly transaction: string;
  readonly body: RelayBody;
}

export interface Said {
  readonly kind: number;
  readonly host: ProbeId;
  /** Undefined: wherever the host is reached directly. */
  readonly to: Endpoint | undefined;
  /** Undefined: the relay's own question. */
  readonly transaction: string | undefined;
  readonly body: Buffer;
}

export interface PairsOptions {
  readonly range: PortRange;
  /** 32 hexadecimal digits that nobody else can work out of the text. */
  readonly sign: (text: string) => string;
}

export interface Pairs {
  /** Who may be relayed, by the relay's own map; none while it is no relay. Pairs of others are gone at once. */
  setMembers(members: ReadonlySet<ProbeId>): void;
  hear(message: Heard, now: number): readonly Said[];
  /** What the kernel should have now. */
  forwards(): readonly Forward[];
  /** The kernel has these now; answers whom to tell. */
  placed(forwards: readonly Forward[]): readonly Said[];
  /** Takes over what an agent before this one left in the kernel, as far as it is still allowed. */
  adopt(forwards: readonly Forward[], now: number): void;
  /** Forgets what nobody claims; `isUsed` tells of ports that traffic came to since the last time. */
  sweep(isUsed: (port: number) => boolean, now: number): void;
  count(): number;
}

const inviteAgainMs = 400;
/** A challenge counts in the window it was made in and the next. */
const windowMs = 10_000;

/** To whom an answer goes, and to which question. */
type Asker = Pick<Heard, 'host' | 'from' | 'transaction'>;

export function createPairs({ range, sign }: PairsOptions): Pairs {
  const book = createBook(range);

  const challengeOf = ({ pair, own, across }: Place, from: Endpoint, window: number): string =>
    sign(`${pair.slot} ${own.host} ${across.host} ${from} ${own.generation} ${window}`);
  const refuse = (message: Heard, why: RelayRefusal): Said =>
    say(relayKinds.grant, message, { partner: message.body.partner, standing: refusals.indexOf(why) });
  const invite = ({ pair, own, across }: Place, now: number): Said[] => {
    if (across.sources.size > 0 || now - pair.invitedAt < inviteAgainMs) return [];
    pair.invitedAt = now;
    const asker = { host: across.host, from: undefined, transaction: undefined };
    return [say(relayKinds.invite, asker, { port: across.port, partner: own.host })];
  };
  const ready = ({ pair, own, across }: Place, asker: Asker): Said =>
    say(relayKinds.ready, asker, {
      port: own.port,
      partner: across.host,
      standing: pair.told.has(familyOf(asker.from)) ? 1 : 0,
    });

  const hearAsk = (message: Heard, now: number): Said[] => {
    const place = book.take(message.host, message.body.partner, now);
    if (typeof place === 'string') return [refuse(message, place)];
    place.own.seenAt = now;
    const grant = { port: place.own.port, partner: place.across.host };
    return [say(relayKinds.grant, message, grant), ...invite(place, now)];
  };
  const hearClaim = (message: Heard, now: number): Said[] => {
    const { host, body, from, transaction } = message;
    const place = book.claim(body.port, host, body.partner, now);
    if (typeof place === 'string') return [refuse(message, place)];
    const { own, across } = place;
    own.seenAt = now;
    if (own.sources.get(familyOf(from))?.endpoint === from) {
      own.sources.set(familyOf(from), { endpoint: from, transaction });
      return [ready(place, message), ...invite(place, now)];
    }
    const challenge = challengeOf(place, from, Math.floor(now / windowMs));
    const asked = { port: own.port, partner: across.host, challenge };
    return [say(relayKinds.challenge, message, asked), ...invite(place, now)];
  };
  const hearEcho = (message: Heard, now: number): Said[] => {
    const { host, body, from, transaction } = message;
    const place = book.find(body.port, host, body.partner);
    if (place === undefined) return [];
    const window = Math.floor(now / windowMs);
    if (![window, window - 1].some((one) => challengeOf(place, from, one) === body.challenge)) return [];
    const { own, pair } = place;
    own.generation += 1;
    own.seenAt = now;
    own.sources.set(familyOf(from), { endpoint: from, transaction });
    pair.told.delete(familyOf(from));
    return [ready(place, message)];
  };

  return {
    setMembers: (members) => book.setMembers(members),
    hear: (message, now) => {
      switch (message.kind) {
        case relayKinds.ask:
          return hearAsk(message, now);
        case relayKinds.claim:
          return hearClaim(message, now);
        case relayKinds.echo:
          return hearEcho(message, now);
        default:
          return [];
      }
    },
    forwards: () => [...book.pairs()].flatMap((pair) => families.flatMap((family) => forwardsOf(pair, family))),
    placed: (forwards) => {
      const has = new Set(forwards.map(forwardKey));
      const said: Said[] = [];
      for (const pair of book.pairs()) {
        for (const family of families) {
          const wanted = forwardsOf(pair, family);
          if (wanted.length === 0 || pair.told.has(family)) continue;
          if (!wanted.every((one) => has.has(forwardKey(one)))) continue;
          pair.told.add(family);
          const [low, high] = pair.sides;
          for (const [own, across] of [[low, high] as const, [high, low] as const]) {
            const source = own.sources.get(family);
            if (source?.transaction === undefined) continue;
            const { endpoint: from, transaction } = source;
            said.push(ready({ pair, own, across }, { host: own.host, from, transaction }));
          }
        }
      }
      return said;
    },
    adopt: (forwards, now) => {
      for (const { family, source, port, hosts } of forwards) {
        const place = book.claim(port, hosts[0], hosts[1], now);
        if (typeof place === 'string' || place.own.sources.has(family)) continue;
        place.own.sources.set(family, { endpoint: source, transaction: undefined });
      }
    },
    sweep: (isUsed, now) => book.sweep(isUsed, now),
    count: () => book.count(),
  };
}

function say(
  kind: number,
  { host, from, transaction }: { [K in keyof Asker]: Asker[K] | (K extends 'host' ? never : undefined) },
  body: Partial<RelayBody> & Pick<RelayBody, 'partner'>,
): Said {
  const bytes = encodeBody({ port: 0, standing: 0, challenge: noChallenge, ...body });
  return { kind, host, to: from, transaction, body: bytes };
}

const forwardKey = ({ source, port, target, twin, hosts }: Forward): string =>
  `${source} ${port} ${target} ${twin} ${hosts.join(' ')}`;
