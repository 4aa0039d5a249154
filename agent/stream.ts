/**
 * Keeps the feed open: connects with the cursor of the newest map, follows maps and deltas, notices a silent server,
 * comes back with full jitter. It decides nothing about the host: maps and standings go to its callbacks.
 */
import { gunzipSync } from 'node:zlib';
import type { Logger } from 'pino';
import { WarrenError, asWarrenError } from '../shared/errors.ts';
import type { NetworkMap } from '../shared/network-map.ts';
import { type FeedFrame, type Standing, parseMap } from '../shared/protocol.ts';
import { type Advance, advanceByDelta, advanceToCurrent, advanceToMap } from './advance.ts';
import { type Clock, pause } from './clock.ts';
import type { ServerLink } from './transport.ts';

export type Connection =
  | { kind: 'connecting' }
  | { kind: 'connected'; sinceAt: number }
  | { kind: 'waiting'; error: WarrenError; retryAt: number };

export interface StreamOptions {
  readonly link: ServerLink;
  readonly clock: Clock;
  readonly log: Logger;
  /** The saved map, where there is one. */
  readonly map: NetworkMap | undefined;
  readonly onMap: (map: NetworkMap) => void;
  readonly onStanding: (standing: Standing) => void;
  /** The server or the way to it refused; the stream retries by itself. */
  readonly onRefused: (error: WarrenError) => void;
}

export interface Stream {
  connection(): Connection;
  /** Retries now if it is waiting to. */
  nudge(): void;
  stop(): Promise<void>;
}

/** Three heartbeats; the server sends one every 15 s. */
const silenceMs = 45_000;
const firstDelayMs = 250;
const longestDelayMs = 30_000;
/** A host that is disabled or removed asks again at this pace. */
const deniedDelayMs = 15_000;
/** A stream that lived this long was a success, whatever ended it. */
const healthyMs = 10_000;

class Resync extends Error {}

export function openStream(options: StreamOptions): Stream {
  const { clock, log } = options;
  const stopped = new AbortController();
  let map = options.map;
  let hasCursor = map !== undefined;
  let connection: Connection = { kind: 'connecting' };
  let wakeUp = new AbortController();

  const take = (advance: Advance): void => {
    if (advance.kind === 'resync') {
      hasCursor = false;
      throw new Resync(advance.why);
    }
    if (advance.kind === 'unchanged') return;
    map = advance.map;
    hasCursor = true;
    options.onMap(map);
  };
  const onFrame = (frame: FeedFrame): void => {
    if (connection.kind !== 'connected') connection = { kind: 'connected', sinceAt: clock.now() };
    switch (frame.kind) {
      case 'standing':
        options.onStanding(frame.standing);
        return;
      case 'map':
        take(advanceToMap(map, frame.map));
        return;
      case 'map-gzip':
        take(advanceToMap(map, unzipMap(frame.data)));
        return;
      case 'delta':
        take(advanceByDelta(map, frame.delta));
        return;
      case 'current':
        take(advanceToCurrent(map, frame));
        return;
      case 'heartbeat':
        return;
    }
  };
  const cursor = (): NetworkMap | undefined => (hasCursor ? map : undefined);

  const loop = async (): Promise<void> => {
    for (let attempt = 0; !stopped.signal.aborted;) {
      connection = { kind: 'connecting' };
      const startedAt = clock.now();
      const error = await session(options, cursor(), onFrame, stopped.signal);
      if (stopped.signal.aborted) return;
      if (error instanceof Resync) {
        log.info({ why: error.message }, 'asking for a full map');
        if (attempt === 0) {
          attempt = 1;
          continue;
        }
      }
      const reason = error instanceof Resync ? new WarrenError('conflict', error.message) : error;
      if (reason.code === 'request-invalid') hasCursor = false;
      attempt = clock.now() - startedAt >= healthyMs ? 1 : attempt + 1;
      const delayMs = delayOf(reason, attempt, clock.random());
      connection = { kind: 'waiting', error: reason, retryAt: clock.now() + delayMs };
      log[attempt > 2 ? 'debug' : 'info']({ why: reason.message, code: reason.code, delayMs }, 'feed lost');
      wakeUp = new AbortController();
      options.onRefused(reason);
      await pause(clock, delayMs, AbortSignal.any([wakeUp.signal, stopped.signal]));
    }
  };
  const running = loop().catch((error: unknown) => log.error({ err: error }, 'the feed loop broke'));
  return {
    connection: () => connection,
    nudge: () => wakeUp.abort(),
    stop: async () => {
      stopped.abort();
      await running;
    },
  };
}

/** One connection, until it ends; answers why. */
async function session(
  { link, clock }: StreamOptions,
  cursor: NetworkMap | undefined,
  onFrame: (frame: FeedFrame) => void,
  stopped: AbortSignal,
): Promise<WarrenError | Resync> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  stopped.addEventListener('abort', end, { once: true });
  let isSilent = false;
  const watch = (): { cancel(): void } =>
    clock.after(silenceMs, () => {
      isSilent = true;
      ended.abort();
    });
  let watchdog = watch();
  const feed = (frame: FeedFrame): void => {
    if (ended.signal.aborted) return;
    watchdog.cancel();
    watchdog = watch();
    onFrame(frame);
  };
  try {
    return await link.openFeed(cursor && { epoch: cursor.epoch, revision: cursor.revision }, feed, ended.signal);
  } catch (error) {
    if (isSilent) return new WarrenError('timeout', `the server was silent for ${silenceMs / 1000} s`);
    return error instanceof Resync ? error : unwrap(error);
  } finally {
    ended.abort();
    watchdog.cancel();
    stopped.removeEventListener('abort', end);
  }
}

/** A transport may have wrapped what `onFrame` threw. */
function unwrap(error: unknown): WarrenError | Resync {
  if (error instanceof WarrenError && error.cause instanceof Resync) return error.cause;
  return asWarrenError(error);
}

function delayOf(reason: WarrenError, attempt: number, chance: number): number {
  if (reason.code === 'host-disabled' || reason.code === 'host-removed') return deniedDelayMs * (0.5 + chance / 2);
  return Math.min(longestDelayMs, firstDelayMs * 2 ** attempt) * chance;
}

function unzipMap(data: string): NetworkMap {
  let json: string;
  try {
    json = gunzipSync(Buffer.from(data, 'base64'), { maxOutputLength: 256 * 1024 * 1024 }).toString('utf8');
  } catch (cause) {
    throw new WarrenError('request-invalid', "the feed's map-gzip event is not gzip", { cause });
  }
  return parseMap(json);
}
