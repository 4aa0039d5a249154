/**
 * Agrees on preshared keys with the peers, renews them, and finds out when a peer has lost its own. It speaks by probes,
 * so it needs neither the server nor a tunnel that works. It touches no kernel: a pass goes by the book's wishes.
 * Anything that is lost, late or repeated is asked again; only an answer to one's own fresh question counts.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { asWarrenError } from '../../shared/errors.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { Secret } from '../../shared/secret.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { Clock, Timer } from '../clock.ts';
import type { ObservedWireguard } from '../plan/observed.ts';
import type { PresharedKeyId } from '../plan/preshared.ts';
import type { Channel, Message } from '../probe/channel.ts';
import type { PskBook } from './book.ts';
import { type Pairing, answerOffer, finishOffer, makeOffer } from './kem.ts';
import { type Pair, type Role, hear, noPair, receive, roleOf, say, tryOther } from './pair.ts';
import { type Talk, newTalk } from './talk.ts';
import { absenceMs, askAfter, firstSpread, isOtherDue, renewalIn, settledFor } from './times.ts';
import { decodeOffer, decodeWord, encodeOffer, encodeWord, isAnswer, proofOf, pskKinds, wordBytes } from './wire.ts';

export interface PskRoom {
  /** Of the map, and what each has in the kernel: undefined where that is not known. */
  setPeers(peers: ReadonlyMap<PublicKey, { readonly kernel: PresharedKeyId | undefined } | undefined>): void;
  /** A peer's agent has said, fresh, whether it agrees on keys at all. */
  noteAgent(peer: PublicKey, isSpeaking: boolean): void;
  /** Undefined while it has not said. */
  isSpeaking(peer: PublicKey): boolean | undefined;
  stop(): void;
}

export interface PskRoomOptions {
  readonly channel: Channel;
  readonly clock: Clock;
  readonly log: Logger;
  readonly book: PskBook;
  readonly self: () => PublicKey;
  /** 32 bytes that only this host and the peer know, by their WireGuard keys. */
  readonly mixKey: (peer: PublicKey) => Buffer | undefined;
  /** Where the peer answers. */
  readonly endpoint: (peer: PublicKey) => Endpoint | undefined;
  readonly wireguard: () => ObservedWireguard | undefined;
  readonly renewMs: number;
  /** The book's wishes are other ones. */
  readonly onChange: () => void;
}

const tickMs = 100;
/** Keys are made and taken one after the other, so that nobody else waits long: so many a second. */
const kemPerSecond = 10;
const answerWithinMs = 3_000;
const offerForMs = 10_000;
/** After a disk that took nothing. */
const againMs = 10_000;

export function startPskRoom(options: PskRoomOptions): PskRoom {
  const { channel, clock, log, book, self, mixKey, endpoint } = options;
  const talks = new Map<PublicKey, Talk>();
  const startedAt = clock.now();
  let talksOf = self();
  let kems = kemPerSecond;
  let timer: Timer | undefined;
  let isStopped = false;

  const prover = (transaction: Buffer, speaker: PublicKey) => (id: PresharedKeyId) => {
    const key = book.key(id);
    return key === undefined ? undefined : proofOf(key, transaction, speaker);
  };
  const send = (peer: PublicKey, kind: number, transaction: Buffer, body: Buffer, to = endpoint(peer)): void => {
    if (to !== undefined) channel.send(to, peer, { kind, transaction, body });
  };
  const pairing = (peer: PublicKey, role: Role, transaction: Buffer): Pairing | undefined => {
    const pairKey = mixKey(peer);
    if (pairKey === undefined) return undefined;
    const [offerer, answerer] = role === 'offerer' ? [self(), peer] : [peer, self()];
    return { offerer, answerer, transaction, pairKey };
  };
  /** Nothing else is done with the peer until it is on the disk. */
  const change = (peer: PublicKey, talk: Talk, pair: Pair, key: Secret | undefined, then: () => void): void => {
    talk.isBusy = true;
    const before = book.pair(peer);
    talk.asked = undefined;
    const taken = (): void => {
      if (isStopped) return;
      if (before.set !== pair.set) {
        talk.triedAt = clock.now();
        log.debug({ peer, key: pair.set ?? 'none' }, 'preshared key');
        options.onChange();
      }
      talk.askAt = clock.now();
      talk.tries = 0;
      then();
    };
    void save(peer, talk, pair, key, taken);
  };
  const save = async (
    peer: PublicKey,
    talk: Talk,
    pair: Pair,
    key: Secret | undefined,
    taken: () => void,
  ): Promise<void> => {
    try {
      await book.put(peer, pair, clock.now(), key);
      taken();
    } catch (error) {
      log.warn({ peer, why: asWarrenError(error).message }, 'preshared key not saved');
      await new Promise<void>((resolve) => void clock.after(againMs, resolve));
    } finally {
      talk.isBusy = false;
    }
  };
  const ask = (peer: PublicKey, talk: Talk, now: number): void => {
    const transaction = randomBytes(8);
    talk.asked = { transaction, at: now };
    talk.lastAskAt = now;
    talk.askAt = now + askAfter(book.pair(peer), isDue(peer, talk, now), talk.tries, clock.random());
    talk.tries += 1;
    send(peer, pskKinds.ask, transaction, Buffer.alloc(wordBytes));
  };
  const dueIn = (peer: PublicKey, talk: Talk, now: number): number =>
    talk.role === 'answerer' ? Infinity : renewalIn(book.pair(peer), book.takenAt(peer), options.renewMs, now);
  const isDue = (peer: PublicKey, talk: Talk, now: number): boolean => dueIn(peer, talk, now) === 0;

  const onAsk = ({ peer, from, transaction }: Message): void => {
    const talk = talks.get(peer);
    if (talk?.kernel === undefined || talk.isBusy) return;
    const pair = book.pair(peer);
    const word = say(pair, talk.kernel.id);
    if (word === undefined) return;
    const isReady = talk.role === 'answerer' && pair.held?.as !== 'before';
    if (isReady) talk.ticket ??= randomBytes(8);
    const spoken = { word, ticket: isReady ? talk.ticket : undefined };
    send(peer, pskKinds.word, transaction, encodeWord(spoken, prover(transaction, self())), from);
    talk.nudge(pair, isDue(peer, talk, clock.now()), clock.now());
  };
  const onWord = ({ peer, transaction, body }: Message): void => {
    const talk = talks.get(peer);
    const now = clock.now();
    if (talk?.asked?.transaction.equals(transaction) !== true || talk.isBusy) return;
    if (now - talk.asked.at > answerWithinMs) return;
    const spoken = decodeWord(body, prover(transaction, peer));
    if (spoken === undefined) return;
    talk.asked = undefined;
    talk.isSpeaking = true;
    const pair = book.pair(peer);
    const after = hear(pair, talk.role, spoken.word);
    if (after !== pair) return change(peer, talk, after, undefined, () => undefined);
    const isAgreed = pair.held === undefined && spoken.word.set === pair.set;
    if (isAgreed && isDue(peer, talk, now)) offer(peer, talk, spoken.ticket, now);
    else if (isAgreed) talk.settle(now + Math.min(dueIn(peer, talk, now), settledFor(clock.random())));
  };
  /** A change that meets a pair's very first handshake would have it tried again, five seconds later. */
  const hasMet = (peer: PublicKey): boolean => {
    const seen = options.wireguard();
    return seen === undefined || (seen.peers.get(peer)?.handshakeAt ?? 0) > 0;
  };
  const offer = (peer: PublicKey, talk: Talk, ticket: Buffer | undefined, now: number): void => {
    if (book.pair(peer).set === undefined) {
      if (!hasMet(peer)) return;
      talk.firstAt ??= now + clock.random() * firstSpread(talks.size);
      if (now < talk.firstAt) return talk.settle(talk.firstAt);
    }
    if (talk.offered === undefined || now - talk.offered.at > offerForMs) {
      if (ticket === undefined || kems < 1) return;
      kems -= 1;
      talk.offered = { transaction: randomBytes(8), offer: makeOffer(), ticket, at: now };
    }
    const { transaction, offer: made, ticket: given } = talk.offered;
    send(peer, pskKinds.offer, transaction, encodeOffer(given, made.publicKey));
  };
  const onOffer = ({ peer, from, transaction, body }: Message): void => {
    const talk = talks.get(peer);
    if (talk === undefined || talk.isBusy || talk.role !== 'answerer') return;
    const last = talk.answered;
    if (last?.transaction.equals(transaction) === true)
      return send(peer, pskKinds.answer, transaction, last.body, from);
    const given = decodeOffer(body);
    const who = pairing(peer, talk.role, transaction);
    if (given === undefined || who === undefined || kems < 1) return;
    if (talk.kernel === undefined || say(book.pair(peer), talk.kernel.id) === undefined) return;
    if (talk.ticket?.equals(given.ticket) !== true) return;
    talk.ticket = undefined;
    kems -= 1;
    const made = answerOffer(who, given.publicKey);
    const after = made && receive(book.pair(peer), talk.role, talk.idOf(made.key));
    if (made === undefined || after === undefined) return;
    change(peer, talk, after, made.key, () => {
      talk.answered = { transaction, body: made.answer };
      send(peer, pskKinds.answer, transaction, made.answer, from);
    });
  };
  const onAnswer = ({ peer, transaction, body }: Message): void => {
    const talk = talks.get(peer);
    const { offered } = talk ?? {};
    if (talk === undefined || offered?.transaction.equals(transaction) !== true || talk.isBusy) return;
    const who = pairing(peer, talk.role, transaction);
    if (who === undefined || !isAnswer(body)) return;
    const key = finishOffer(who, offered.offer, body);
    const after = key && receive(book.pair(peer), talk.role, talk.idOf(key));
    talk.offered = undefined;
    // The question that follows makes the answerer ask back.
    if (after !== undefined) change(peer, talk, after, key, () => ask(peer, talk, clock.now()));
  };

  const turn = (peer: PublicKey, talk: Talk, now: number): void => {
    const pair = book.pair(peer);
    const isEmpty = pair.set === undefined && pair.held === undefined;
    // Its agent, by its own word, knows of no preshared keys: a key here would keep it out.
    if (talk.isSpeaking === false && !isEmpty) return change(peer, talk, noPair, undefined, () => undefined);
    const handshakeAt = options.wireguard()?.peers.get(peer)?.handshakeAt ?? 0;
    if (pair.held !== undefined && isOtherDue(talk.role, handshakeAt, Math.max(talk.triedAt, startedAt), now)) {
      const other = tryOther(pair, talk.role);
      if (other !== pair) return change(peer, talk, other, undefined, () => undefined);
    }
    if (talk.isSpeaking === true && now >= talk.askAt && endpoint(peer) !== undefined) ask(peer, talk, now);
  };
  const tick = (): void => {
    timer = clock.after(tickMs, tick);
    kems = Math.min(kemPerSecond / 2, kems + (kemPerSecond * tickMs) / 1000);
    const now = clock.now();
    if (book.self() !== self()) return;
    for (const [peer, talk] of talks) {
      if (!talk.isBusy && talk.absentSince === undefined) turn(peer, talk, now);
      if (talk.absentSince === undefined || talk.isBusy || now - talk.absentSince < absenceMs) continue;
      talks.delete(peer);
      void book.put(peer, noPair, now).catch(() => undefined);
    }
  };

  channel.on(pskKinds.ask, onAsk);
  channel.on(pskKinds.word, onWord);
  channel.on(pskKinds.offer, onOffer);
  channel.on(pskKinds.answer, onAnswer);
  tick();

  return {
    setPeers: (peers) => {
      const now = clock.now();
      // Who has another key is another host to its peers.
      if (talksOf !== self()) talks.clear();
      talksOf = self();
      for (const peer of book.peers()) if (!talks.has(peer)) talks.set(peer, newTalk(roleOf(self(), peer), now));
      for (const [peer, known] of peers) {
        const talk = talks.get(peer) ?? newTalk(roleOf(self(), peer), now);
        talks.set(peer, talk);
        talk.absentSince = undefined;
        if (known === undefined) talk.kernel = undefined;
        else if (talk.kernel === undefined || talk.kernel.id !== known.kernel) {
          talk.kernel = { id: known.kernel };
          talk.askAt = now;
          talk.tries = 0;
        }
      }
      for (const [peer, talk] of talks) if (!peers.has(peer)) talk.leave(now);
    },
    noteAgent: (peer, isSpeaking) => {
      const talk = talks.get(peer);
      if (talk === undefined || talk.isSpeaking === isSpeaking) return;
      talk.isSpeaking = isSpeaking;
      talk.askAt = clock.now();
      talk.tries = 0;
    },
    isSpeaking: (peer) => talks.get(peer)?.isSpeaking,
    stop: () => {
      isStopped = true;
      timer?.cancel();
    },
  };
}
