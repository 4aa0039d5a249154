/**
 * The bytes that streams are told, made once for all of them: a delta once per starting revision and current revision, a
 * full map at most once per revision and not more often than its age allows. Knows no stream.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Cursor, encodeFrame } from '../../shared/protocol.ts';
import type { HostRecord, NetworkMap } from '../../shared/network-map.ts';
import { type MapRow, buildDelta, buildRecords, writeRecord } from '../netmap/build.ts';
import { readActiveRows, readChanges } from '../store/map-rows.ts';
import { readMeshSettings, readMeta } from '../store/meta.ts';
import type { Db, Store } from '../store/open.ts';
import { packMap } from './pack.ts';

export interface Frame {
  readonly bytes: Buffer;
  /** Where a stream stands after it. */
  readonly cursor: Cursor;
}

export interface Frames {
  /** What brings a stream forward from `cursor`; a full map where there is none or it leads nowhere. */
  next(cursor: Cursor | undefined): Promise<Frame>;
  /** Bytes of the newest full map; a stream must be able to hold one. */
  mapBytes(): number;
}

/**
 * A full map this old (ms) still serves a new stream: the delta from there on follows at once. It keeps a storm of
 * reconnects, each of which changes an endpoint, from building a full map for each.
 */
const mapAge = 2_000;
/** Deltas kept of one revision; agents come back from few different ones. */
const maxDeltas = 256;
/** Hosts read between two turns of the event loop. */
const rowsPerTurn = 100;

export function createFrames(store: Store, clock: { now(): number }): Frames {
  let deltasAt = -1;
  let deltas = new Map<number, Promise<Frame | undefined>>();
  let full: { frame: Promise<Frame>; revision: number; at: number } | undefined;
  let mapBytes = 0;

  const delta = (from: number): Promise<Frame | undefined> => {
    const { revision } = store.position();
    if (revision !== deltasAt || deltas.size >= maxDeltas) {
      deltasAt = revision;
      deltas = new Map();
    }
    const known = deltas.get(from) ?? forgetFailure(deltas, from, makeDelta(store, from));
    deltas.set(from, known);
    return known;
  };
  const map = (atLeast: number): Promise<Frame> => {
    const { revision } = store.position();
    const isFresh = full !== undefined && full.revision >= atLeast && clock.now() - full.at < mapAge;
    if (full !== undefined && (full.revision === revision || isFresh)) return full.frame;
    const frame = makeMap(store);
    full = { frame, revision, at: clock.now() };
    frame.then(
      ({ bytes }) => (mapBytes = bytes.length),
      () => (full = undefined),
    );
    return frame;
  };
  return {
    async next(cursor) {
      const { epoch, revision } = store.position();
      if (cursor === undefined || cursor.epoch !== epoch || cursor.revision > revision) return map(0);
      if (cursor.revision === revision) return makeCurrent(cursor);
      return (await delta(cursor.revision)) ?? map(cursor.revision + 1);
    },
    mapBytes: () => mapBytes,
  };
}

function forgetFailure<Value>(
  cache: Map<number, Promise<Value>>,
  key: number,
  promise: Promise<Value>,
): Promise<Value> {
  promise.catch(() => cache.delete(key));
  return promise;
}

function makeCurrent(cursor: Cursor): Frame {
  return { bytes: Buffer.from(encodeFrame({ kind: 'current', ...cursor })), cursor };
}

async function makeDelta(store: Store, from: number): Promise<Frame | undefined> {
  const changes = await store.snapshot((db) => readChanges(db, from));
  if (changes === undefined) return undefined;
  const bytes = Buffer.from(encodeFrame({ kind: 'delta', delta: buildDelta(changes) }));
  return { bytes, cursor: { epoch: changes.epoch, revision: changes.revision } };
}

/** A snapshot's map, as text that is made part by part and compressed meanwhile. */
async function makeMap(store: Store): Promise<Frame> {
  return store.snapshot(async (db) => {
    const head = await readHead(db);
    const packed = await packMap(writeMap(db, head));
    const { epoch, revision } = head;
    return { bytes: Buffer.from(encodeFrame(packed), 'utf8'), cursor: { epoch, revision } };
  });
}

async function* writeMap(db: Db, head: Omit<NetworkMap, 'hosts'>): AsyncGenerator<string> {
  yield JSON.stringify({ ...head, hosts: [] }).slice(0, -2);
  let isFirst = true;
  for await (const rows of readRows(db)) {
    const text = rows.flatMap((row) => writeRecord(row) ?? []).join();
    if (text === '') continue;
    yield isFirst ? text : `,${text}`;
    isFirst = false;
  }
  yield ']}';
}

/** The whole map at one revision, from the store. */
export async function readMap(store: Store): Promise<NetworkMap> {
  return store.snapshot(async (db) => {
    const hosts: HostRecord[] = [];
    for await (const rows of readRows(db)) hosts.push(...buildRecords(rows));
    return { ...(await readHead(db)), hosts };
  });
}

async function readHead(db: Db): Promise<Omit<NetworkMap, 'hosts'>> {
  const { epoch, revision } = await readMeta(db);
  return { epoch, revision, mesh: await readMeshSettings(db) };
}

/** All rows of active hosts in order of id, some at each turn of the event loop. */
async function* readRows(db: Db): AsyncGenerator<MapRow[]> {
  let last = '';
  for (;;) {
    const rows = await readActiveRows(db, last, rowsPerTurn);
    yield rows;
    if (rows.length < rowsPerTurn) return;
    last = rows.at(-1)?.id ?? '';
    await nextTurn();
  }
}
