/**
 * The revision feed: every active host's stream is brought to the newest revision of the network map. One change costs one
 * frame, made once and written to all streams; a commit only wakes the feed, and what is sent follows from the store and
 * from where each stream stands. Knows streams as `Sink`s, nothing of HTTP, and decides nothing about hosts.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import { WarrenError } from '../../shared/errors.ts';
import type { HostId } from '../../shared/names.ts';
import { type Cursor, encodeFrame } from '../../shared/protocol.ts';
import type { Commit, Store } from '../store/open.ts';
import { createFrames } from './frames.ts';
import { createGate } from './gate.ts';
import { createPacer } from './pacer.ts';
import { Session, type SessionContext, type Sink } from './session.ts';

export type { Sink } from './session.ts';

export interface FeedSession {
  readonly hostId: HostId;
  /** Tells the feed that the other side closed the stream. */
  close(): void;
}

export interface Attachment {
  readonly hostId: HostId;
  /** What the agent's saved map holds. */
  readonly cursor?: Cursor | undefined;
  readonly sink: Sink;
  /** Milliseconds since 1970; the stream ends then, because the client certificate does. */
  readonly endsAt?: number | undefined;
}

export interface Feed {
  /** Starts a stream; an older one of the same host ends. Throws `draining` when the server is stopping. */
  attach(attachment: Attachment): FeedSession;
  /** Tells a host its standing again, if it changed. */
  broadcastStanding(hostId: HostId): void;
  disconnect(hostId: HostId, reason: string): void;
  isOnline(hostId: HostId): boolean;
  /** The newest revision that changed what hosts must know; who has it has all later ones, until the next. */
  mapRevision(): number;
  onlineCount(): number;
  /** The most of them at once since the start. */
  peakCount(): number;
  /** Ends all streams and takes no new ones. */
  drain(): Promise<void>;
  onPresence(listener: (hostId: HostId, isOnline: boolean) => void): () => void;
}

export interface FeedOptions {
  readonly store: Store;
  readonly clock: { now(): number };
  readonly log: Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;
  /** Milliseconds in which changes after a first one are told together. */
  readonly windowMs?: number;
  /** Milliseconds between two heartbeats of a stream. */
  readonly heartbeatMs?: number;
  /** Told to hosts with their standing; known once the server listens. */
  readonly reflectorPort?: () => number | undefined;
}

/** Streams written to between two turns of the event loop. */
const sessionsPerTurn = 100;
/** Streams in the middle of a full map; of 10,000 hosts one is about 1 MB. */
const mapsAtOnce = 32;
/** Heartbeats are spread over this many ticks, so that they never come all at once. */
const heartbeatTicks = 15;
const heartbeat = Buffer.from(encodeFrame({ kind: 'heartbeat' }));

export function createFeed(options: FeedOptions): Feed {
  const { store, clock, log, windowMs = 50, heartbeatMs = 15_000, reflectorPort = () => undefined } = options;
  const sessions = new Map<HostId, Session>();
  const listeners = new Set<(hostId: HostId, isOnline: boolean) => void>();
  const frames = createFrames(store, clock);
  let wanted = store.position().revision;
  let told: Cursor = store.position();
  let isDraining = false;
  let peak = 0;

  const tellPresence = (hostId: HostId, isOnline: boolean): void => {
    for (const listener of listeners) {
      try {
        listener(hostId, isOnline);
      } catch (error) {
        log.error({ err: error, host: hostId }, 'presence listener failed');
      }
    }
  };
  const context: SessionContext = {
    store,
    frames,
    gate: createGate(mapsAtOnce),
    peakCount: () => peak,
    wanted: () => wanted,
    reflectorPort,
    onEnd(session, why) {
      log.debug({ host: session.hostId, why }, 'stream ended');
      if (sessions.get(session.hostId) !== session) return;
      sessions.delete(session.hostId);
      tellPresence(session.hostId, false);
    },
    onError: (session, error) => log.error({ err: error, host: session.hostId }, 'stream failed'),
  };
  /** Writes the newest delta to every stream that stands where most do; the others find their own way. */
  const tellAll = async (): Promise<void> => {
    const from = told;
    if (sessions.size === 0 || from.revision >= wanted) return;
    const frame = await frames.next(from);
    told = frame.cursor;
    let count = 0;
    for (const session of sessions.values()) {
      if (session.isAt(from)) session.advance(frame);
      else session.wake(false);
      count += 1;
      if (count % sessionsPerTurn === 0) await nextTurn();
    }
    log.debug({ revision: frame.cursor.revision, streams: count, bytes: frame.bytes.length }, 'delta sent');
  };
  const pacer = createPacer(tellAll, windowMs, (error) => log.error({ err: error }, 'feed failed'));

  const onCommit = (commit: Commit): void => {
    const changed = [...commit.touched, ...commit.removed];
    if (changed.length === 0 && !commit.isMeshChanged) return;
    wanted = commit.revision;
    for (const id of changed) sessions.get(id)?.wake(true);
    pacer.wake();
  };
  const stopListening = store.onCommit(onCommit);

  let seats = 0;
  let tick = 0;
  const beat = (): void => {
    tick = (tick + 1) % heartbeatTicks;
    const now = clock.now();
    for (const session of sessions.values()) {
      if (session.endsAt <= now) session.end('certificate expired');
      else if (session.seat % heartbeatTicks === tick) session.write(heartbeat);
    }
    if (told.revision < wanted) pacer.wake();
  };
  const heart = setInterval(beat, heartbeatMs / heartbeatTicks).unref();

  return {
    attach(attachment) {
      if (isDraining) throw new WarrenError('draining', 'the server is stopping; connect again in a moment');
      const { hostId } = attachment;
      const session = new Session(context, { ...attachment, seat: (seats += 1) });
      const older = sessions.get(hostId);
      sessions.set(hostId, session);
      peak = Math.max(peak, sessions.size);
      older?.end('replaced by a newer stream');
      if (older === undefined) tellPresence(hostId, true);
      session.wake(true);
      return { hostId, close: () => session.closed() };
    },
    broadcastStanding: (hostId) => sessions.get(hostId)?.wake(true),
    disconnect: (hostId, reason) => sessions.get(hostId)?.end(reason),
    isOnline: (hostId) => sessions.has(hostId),
    mapRevision: () => wanted,
    onlineCount: () => sessions.size,
    peakCount: () => peak,
    async drain() {
      isDraining = true;
      clearInterval(heart);
      stopListening();
      await pacer.stop();
      for (const session of sessions.values()) session.end('server is stopping');
    },
    onPresence(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
