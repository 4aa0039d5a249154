import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, test } from 'node:test';
import { pino } from 'pino';
import { type Stream, openStream } from '../../agent/stream.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { NetworkMap } from '../../shared/network-map.ts';
import type { FeedFrame } from '../../shared/protocol.ts';
import { type FakeClock, createFakeClock } from '../support/fake-clock.ts';
import { type FakeLink, createFakeLink } from '../support/fake-link.ts';
import { meshOf } from '../support/mesh-map.ts';

let clock: FakeClock;
let link: FakeLink;
let stream: Stream | undefined;
let maps: NetworkMap[];
let refused: string[];

const at = (revision: number, epoch = 'eaaaaaaaaaaaaaaaa'): NetworkMap => ({ ...meshOf(2), epoch, revision });
const delta = (from: number, revision: number): FeedFrame => ({
  kind: 'delta',
  delta: { epoch: 'eaaaaaaaaaaaaaaaa', from, revision, upserts: [], removes: [] },
});
const open = (map?: NetworkMap): void => {
  stream = openStream({
    link,
    clock,
    log: pino({ level: 'silent' }),
    map,
    onMap: (taken) => maps.push(taken),
    onStanding: () => undefined,
    onRefused: (error) => refused.push(error.code),
  });
};
const revisions = (): number[] => maps.map((map) => map.revision);

beforeEach(() => {
  clock = createFakeClock();
  link = createFakeLink();
  maps = [];
  refused = [];
});
afterEach(async () => stream?.stop());

test('it asks with the cursor of the saved map and follows deltas', async () => {
  open(at(4));
  await clock.advance(0);
  assert.deepEqual(link.connections, [{ epoch: 'eaaaaaaaaaaaaaaaa', revision: 4 }]);
  link.push(delta(4, 5), delta(5, 6));
  assert.deepEqual(revisions(), [5, 6]);
  assert.equal(stream?.connection().kind, 'connected');
});

test('a compressed map is a map, and one that is not gzip ends the stream', async () => {
  open();
  await clock.advance(0);
  link.push({ kind: 'map-gzip', data: gzipSync(JSON.stringify(at(9))).toString('base64') });
  assert.deepEqual(revisions(), [9]);
  link.push({ kind: 'map-gzip', data: 'AAAA' });
  await clock.advance(0);
  assert.deepEqual(refused, ['request-invalid']);
  await clock.advance(30_000);
  assert.equal(link.connections.at(-1), undefined, 'a full map is asked for');
});

test('a gap drops the cursor and asks for a full map at once', async () => {
  open(at(4));
  await clock.advance(0);
  link.push(delta(5, 6));
  await clock.advance(0);
  assert.deepEqual(link.connections, [{ epoch: 'eaaaaaaaaaaaaaaaa', revision: 4 }, undefined]);
  link.push({ kind: 'map', map: at(6) });
  assert.deepEqual(revisions(), [6]);
});

test('an older map of the same epoch is refused, one of a new epoch is taken', async () => {
  open(at(7));
  await clock.advance(0);
  link.push({ kind: 'map', map: at(6) });
  await clock.advance(0);
  assert.deepEqual([refused, revisions()], [['conflict'], []]);
  await clock.advance(30_000);
  link.push({ kind: 'map', map: at(1, 'ebbbbbbbbbbbbbbbb') });
  assert.deepEqual(revisions(), [1]);
});

test('a server that is silent for 45 s is left, heartbeats keep it', async () => {
  open(at(1));
  await clock.advance(40_000);
  link.push({ kind: 'heartbeat' });
  await clock.advance(40_000);
  assert.equal(link.connections.length, 1);
  await clock.advance(10_000);
  assert.deepEqual(refused, ['timeout']);
});

test('retries come slower and slower, never more than 30 s apart, and stop when told to', async () => {
  link.refusal = new WarrenError('unreachable', 'away');
  open(at(1));
  await clock.advance(600_000);
  const tries = refused.length;
  assert.ok(tries > 20 && tries < 60, `${tries} tries in 10 minutes`);
  link.refusal = undefined;
  await clock.advance(30_000);
  assert.equal(link.isOpen, true);
  await stream?.stop();
  assert.equal(link.isOpen, false);
});

test('a host that is disabled asks slowly', async () => {
  link.refusal = new WarrenError('host-disabled', 'no');
  open(at(1));
  await clock.advance(120_000);
  assert.ok(refused.length <= 16, `${refused.length} tries in 2 minutes`);
});
