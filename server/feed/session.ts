/**
 * One host's stream. It is level-triggered: it knows where its host stands (`cursor`) and asks for the frame that leads
 * on from there until it stands at what is wanted, so no change can be lost or told out of order between attaching and
 * being live, however the two meet. It decides nothing about other streams.
 */
import type { HostId } from '../../shared/names.ts';
import { type Cursor, encodeFrame } from '../../shared/protocol.ts';
import { reportSeconds, runnerSeconds } from '../status/liveness.ts';
import type { Store } from '../store/open.ts';
import { type StoredStanding, findStanding } from '../store/standing.ts';
import type { Frame, Frames } from './frames.ts';
import type { Gate } from './gate.ts';

/** Where frames go: a socket. `write` answers like a stream's. */
export interface Sink {
  write(bytes: Buffer): boolean;
  bufferedBytes(): number;
  /** Resolves when the other side has taken what was written, or the stream is closed. */
  drained(): Promise<void>;
  /** Sends what is buffered, then closes. */
  end(): void;
  destroy(): void;
}

/** What a session needs of its feed. */
export interface SessionContext {
  readonly store: Store;
  readonly frames: Frames;
  /** Who writes a frame as large as a full map passes here. */
  readonly gate: Gate;
  /** The most streams at once since the start. */
  peakCount(): number;
  /** The newest revision that streams must know of. */
  wanted(): number;
  /** Undefined where the server has no reflector. */
  reflectorPort(): number | undefined;
  /** The session ended by itself; called once. */
  onEnd(session: Session, why: string): void;
  onError(session: Session, error: unknown): void;
}

/** What may wait in a socket besides a full map; who is further behind is dropped and connects again. */
const maxBufferedBytes = 4 * 1024 * 1024;
/** Frames longer than this take turns. */
const largeBytes = 64 * 1024;
/** A stream that takes its map more slowly than this, ms, holds up no other. */
const turnMs = 5_000;

export class Session {
  readonly hostId: HostId;
  /** Counts streams; spreads heartbeats. */
  readonly seat: number;
  /** Milliseconds; the client certificate ends then. */
  readonly endsAt: number;
  readonly #context: SessionContext;
  readonly #sink: Sink;
  #cursor: Cursor | undefined;
  #standing = '';
  #isStandingDue = true;
  /** True while the host may know the map. */
  #isAdmitted = false;
  #isGreeted = false;
  #isBusy = false;
  #isWoken = false;
  #isEnded = false;

  constructor(
    context: SessionContext,
    given: {
      hostId: HostId;
      seat: number;
      sink: Sink;
      cursor?: Cursor | undefined;
      endsAt?: number | undefined;
    },
  ) {
    this.#context = context;
    this.hostId = given.hostId;
    this.seat = given.seat;
    this.endsAt = given.endsAt ?? Infinity;
    this.#sink = given.sink;
    this.#cursor = given.cursor;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** True when nothing is under way and the stream stands at exactly this cursor. */
  isAt({ epoch, revision }: Cursor): boolean {
    if (this.#isBusy || this.#isEnded || !this.#isAdmitted || !this.#isGreeted) return false;
    return this.#cursor?.epoch === epoch && this.#cursor.revision === revision;
  }

  /** Looks at the host's standing again and brings the stream up to date. */
  wake(isStandingDue: boolean): void {
    if (isStandingDue) this.#isStandingDue = true;
    this.#isWoken = true;
    if (!this.#isBusy && !this.#isEnded) void this.#pump();
  }

  /** Writes a frame that leads on from where the stream stands. */
  advance(frame: Frame): void {
    this.#cursor = frame.cursor;
    this.#isGreeted = true;
    this.write(frame.bytes);
  }

  write(bytes: Buffer): void {
    if (this.#isEnded) return;
    const limit = maxBufferedBytes + this.#context.frames.mapBytes();
    try {
      if (this.#sink.bufferedBytes() <= limit) this.#sink.write(bytes);
      else this.drop('too far behind');
    } catch (error) {
      this.#context.onError(this, error);
      this.drop('write failed');
    }
  }

  /** Closes the stream after what was written. */
  end(why: string): void {
    this.#finish(why, () => this.#sink.end());
  }

  /** Closes the stream at once. */
  drop(why: string): void {
    this.#finish(why, () => this.#sink.destroy());
  }

  /** The other side closed the stream. */
  closed(): void {
    this.#finish('closed by the agent', () => undefined);
  }

  #finish(why: string, close: () => void): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#context.onEnd(this, why);
    close();
  }

  async #pump(): Promise<void> {
    this.#isBusy = true;
    try {
      while (this.#isWoken && !this.#isEnded) {
        this.#isWoken = false;
        if (this.#isStandingDue) await this.#tellStanding();
        while (this.#isBehind()) await this.#catchUp();
      }
    } catch (error) {
      this.#context.onError(this, error);
      this.drop('failed');
    } finally {
      this.#isBusy = false;
    }
  }

  async #catchUp(): Promise<void> {
    const { frames, gate } = this.#context;
    const frame = await frames.next(this.#cursor);
    if (frame.bytes.length <= largeBytes) return this.advance(frame);
    const leave = await gate.enter();
    try {
      // Time has passed in the queue; what leads on from here may be another frame by now.
      if (this.#isEnded) return;
      this.advance(await frames.next(this.#cursor));
      await this.#drainedInTime();
    } finally {
      leave();
    }
  }

  async #drainedInTime(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, turnMs)));
    await Promise.race([this.#sink.drained(), late]);
    clearTimeout(timer);
  }

  #isBehind(): boolean {
    if (this.#isEnded || this.#isStandingDue || !this.#isAdmitted) return false;
    return !this.#isGreeted || this.#cursor === undefined || this.#cursor.revision < this.#context.wanted();
  }

  #reportSeconds({ isCarrier, isRunner }: StoredStanding): number {
    if (isCarrier) return reportSeconds.carrier;
    return isRunner ? runnerSeconds(this.#context.peakCount()) : reportSeconds.other;
  }

  async #tellStanding(): Promise<void> {
    this.#isStandingDue = false;
    const found = await findStanding(this.#context.store.db, this.hostId);
    if (found === undefined) return this.end('host removed');
    const { state, isRotationDue } = found;
    const seconds = this.#reportSeconds(found);
    const reflectorPort = this.#context.reflectorPort() ?? null;
    const standing = { hostId: this.hostId, state, isRotationDue, reportSeconds: seconds, reflectorPort };
    const text = encodeFrame({ kind: 'standing', standing });
    if (text !== this.#standing) this.write(Buffer.from(text));
    this.#standing = text;
    this.#isAdmitted = state === 'active';
    if (state === 'disabled') this.end('host disabled');
  }
}
