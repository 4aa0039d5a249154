/**
 * The feed between server and agent, as frames and as bytes. Server-sent events (WHATWG HTML section 9.2): `id:` is the
 * revision, `event:` the kind, `data:` one line of JSON. `docs/protocol.md` tells the order of frames and the rules.
 */
import { z } from 'zod';
import { WarrenError } from './errors.ts';
import { type Delta, deltaSchema } from './delta.ts';
import { hostIdSchema } from './names.ts';
import { printable } from './net/address.ts';
import { type NetworkMap, epochSchema, networkMapSchema, revisionSchema } from './network-map.ts';

/** Raised when an older agent could misread what a server sends; a server serves this one and the one before. */
export const protocolVersion = 1;

/** Request header that carries the agent's protocol version. */
export const protocolHeader = 'warren-protocol';

export const hostStateSchema = z.enum(['registered', 'pending', 'active', 'disabled']);
export type HostState = z.infer<typeof hostStateSchema>;

/** What the stream says of the agent's own standing, always its first frame. */
export const standingSchema = z.strictObject({
  hostId: hostIdSchema,
  state: hostStateSchema,
  /** True asks the agent to replace its WireGuard key. */
  isRotationDue: z.boolean(),
  /** Seconds between two reports of an idle agent. */
  reportSeconds: z.int().min(1).max(3600),
  /** UDP port, at the server's address, where a host may ask what it looks like from outside; null where none is. */
  reflectorPort: z.int().min(1).max(65535).nullable().default(null),
});
export type Standing = z.infer<typeof standingSchema>;

export type FeedFrame =
  | { kind: 'standing'; standing: Standing }
  | { kind: 'map'; map: NetworkMap }
  /** A full map as base64 of gzip of its JSON, for maps that are worth compressing. */
  | { kind: 'map-gzip'; data: string }
  | { kind: 'delta'; delta: Delta }
  /** The agent's cursor is the newest revision: nothing was missed. */
  | { kind: 'current'; epoch: string; revision: number }
  | { kind: 'heartbeat' };

/** Maps whose JSON is longer than this travel as `map-gzip`. */
export const gzipMapBytes = 32 * 1024;

/** Where an agent stands in the history of revisions; sent as `Last-Event-ID` when it connects. */
export interface Cursor {
  readonly epoch: string;
  readonly revision: number;
}

export const formatCursor = ({ epoch, revision }: Cursor): string => `${epoch}:${revision}`;

/** An unreadable cursor is no cursor: a full map is always a legal answer. */
export function parseCursor(text: string | undefined): Cursor | undefined {
  const match = /^(e[a-z2-7]{16}):(0|[1-9]\d{0,15})$/.exec(text ?? '');
  return match === null ? undefined : { epoch: match[1] ?? '', revision: Number(match[2]) };
}

export function encodeFrame(frame: FeedFrame): string {
  switch (frame.kind) {
    case 'standing':
      return sse('standing', undefined, JSON.stringify(frame.standing));
    case 'map':
      return sse('map', frame.map, JSON.stringify(frame.map));
    case 'map-gzip':
      return sse('map-gzip', undefined, frame.data);
    case 'delta':
      return sse('delta', frame.delta, JSON.stringify(frame.delta));
    case 'current':
      return sse('current', frame, JSON.stringify({ epoch: frame.epoch, revision: frame.revision }));
    case 'heartbeat':
      return ': heartbeat\n\n';
  }
}

function sse(event: string, cursor: Cursor | undefined, data: string): string {
  const id = cursor === undefined ? '' : `id: ${formatCursor(cursor)}\n`;
  return `${id}event: ${event}\ndata: ${data}\n\n`;
}

export interface SseEvent {
  readonly event: string;
  readonly data: string;
}

/** Longest event an agent takes: a full map of about 100,000 hosts. */
const maxEventChars = 64 * 1024 * 1024;

/** Cuts a stream of text into events; a comment arrives as event `comment`. Throws `request-invalid` on nonsense. */
export function createSseReader(): (chunk: string) => SseEvent[] {
  let rest: string[] = [];
  let size = 0;
  return (chunk) => {
    const last = rest.at(-1) ?? '';
    rest.push(chunk);
    size += chunk.length;
    if (size > maxEventChars) throw new WarrenError('request-invalid', 'a feed event is longer than 64 MiB');
    if (!(last.slice(-1) + chunk).includes('\n\n')) return [];
    const parts = rest.join('').split('\n\n');
    const tail = parts.pop() ?? '';
    rest = [tail];
    size = tail.length;
    return parts.map(readEvent);
  };
}

function readEvent(text: string): SseEvent {
  let event = 'message';
  const data: string[] = [];
  let isComment = true;
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith(':')) continue;
    isComment = false;
    if (line.startsWith('event: ')) event = line.slice(7);
    else if (line.startsWith('data: ')) data.push(line.slice(6));
    else if (!line.startsWith('id: ')) throw new WarrenError('request-invalid', 'the feed is not server-sent events');
  }
  return isComment ? { event: 'comment', data: '' } : { event, data: data.join('\n') };
}

const currentSchema = z.strictObject({ epoch: epochSchema, revision: revisionSchema });

/** Parses one event strictly. Throws `request-invalid` naming the event and the first field that is wrong. */
export function decodeFrame({ event, data }: SseEvent): FeedFrame {
  switch (event) {
    case 'comment':
      return { kind: 'heartbeat' };
    case 'standing':
      return { kind: 'standing', standing: parseData(standingSchema, event, data) };
    case 'map':
      return { kind: 'map', map: parseData(networkMapSchema, event, data) };
    case 'map-gzip':
      return { kind: 'map-gzip', data };
    case 'delta':
      return { kind: 'delta', delta: parseData(deltaSchema, event, data) };
    case 'current':
      return { kind: 'current', ...parseData(currentSchema, event, data) };
    default:
      throw new WarrenError('request-invalid', `the feed sent an unknown event '${printable(event.slice(0, 32))}'`);
  }
}

/** Parses the JSON of a map, as it comes in a `map` event or out of a `map-gzip` one. */
export function parseMap(json: string): NetworkMap {
  return parseData(networkMapSchema, 'map', json);
}

function parseData<T>(schema: z.ZodType<T>, event: string, data: string): T {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch (cause) {
    throw new WarrenError('request-invalid', `the feed's ${event} event is not JSON`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join('/') ?? '';
  throw new WarrenError(
    'request-invalid',
    `the feed's ${event} event is wrong at '${field}': ${issue?.message ?? ''}`,
    {
      field,
    },
  );
}
