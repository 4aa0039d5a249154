import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advanceByDelta, advanceToCurrent, advanceToMap } from '../../agent/advance.ts';
import { WarrenError } from '../../shared/errors.ts';
import { type NetworkMap, networkMapSchema } from '../../shared/network-map.ts';

const epoch = 'eaaaaaaaaaaaaaaaa';
const other = 'ebbbbbbbbbbbbbbbb';
const mapAt = (revision: number, ofEpoch = epoch): NetworkMap =>
  networkMapSchema.parse({
    epoch: ofEpoch,
    revision,
    mesh: { overlayPools: ['10.86.0.0/16'], containerPools: [], mtu: 1420, keepaliveSeconds: 25 },
    hosts: [],
  });
const delta = (from: number, revision: number, ofEpoch = epoch) => ({
  epoch: ofEpoch,
  from,
  revision,
  upserts: [],
  removes: [],
});

test('a full map is taken when it is newer, the same, or of another epoch', () => {
  assert.equal(advanceToMap(undefined, mapAt(3)).kind, 'map');
  assert.equal(advanceToMap(mapAt(3), mapAt(3)).kind, 'map');
  assert.equal(advanceToMap(mapAt(3), mapAt(9)).kind, 'map');
  assert.equal(advanceToMap(mapAt(9), mapAt(1, other)).kind, 'map');
});

test('an older full map of the same epoch is refused with what to do', () => {
  assert.throws(
    () => advanceToMap(mapAt(9), mapAt(8)),
    (error) =>
      error instanceof WarrenError && error.code === 'conflict' && error.message.includes('warren server restore'),
  );
});

test('a delta that follows is applied, a late one changes nothing', () => {
  const next = advanceByDelta(mapAt(5), delta(5, 6));
  assert.equal(next.kind === 'map' && next.map.revision, 6);
  assert.equal(advanceByDelta(mapAt(5), delta(3, 4)).kind, 'unchanged');
});

test('a gap, a foreign epoch and a delta before any map ask for a full map', () => {
  assert.equal(advanceByDelta(mapAt(5), delta(6, 7)).kind, 'resync');
  assert.equal(advanceByDelta(mapAt(5), delta(5, 6, other)).kind, 'resync');
  assert.equal(advanceByDelta(undefined, delta(0, 1)).kind, 'resync');
});

test('current is believed only about the very revision that is here', () => {
  assert.equal(advanceToCurrent(mapAt(5), { epoch, revision: 5 }).kind, 'unchanged');
  assert.equal(advanceToCurrent(mapAt(5), { epoch, revision: 6 }).kind, 'resync');
  assert.equal(advanceToCurrent(undefined, { epoch, revision: 5 }).kind, 'resync');
});
