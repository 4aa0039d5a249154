import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSegmentBridged } from '../../../agent/attach/segment.ts';
import type { NetworkMap } from '../../../shared/network-map.ts';
import { type Segment, parseSegmentName } from '../../../shared/workload.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { meshOf } from '../../support/mesh-map.ts';

const lan: Segment = { name: parseSegmentName('lan'), kind: 'bridged', vni: 7 };
const mapWith = (...segments: Segment[]): NetworkMap => {
  const map = meshOf(2);
  return { ...map, mesh: { ...map.mesh, segments } };
};

test('a segment that is known is what it is at once', async () => {
  const clock = createFakeClock();
  assert.equal(await isSegmentBridged(lan.name, () => mapWith(lan), clock), true);
  const routed = { ...lan, kind: 'routed', vni: null } as const;
  assert.equal(await isSegmentBridged(lan.name, () => mapWith(routed), clock), false);
});

test('a segment whose kind is still on the way is waited for', async () => {
  const clock = createFakeClock();
  let map = mapWith();
  const asked = isSegmentBridged(lan.name, () => map, clock);
  await clock.advance(500);
  map = mapWith(lan);
  await clock.advance(500);
  assert.equal(await asked, true);
});

test('one that stays unknown is routed', async () => {
  const clock = createFakeClock();
  const asked = isSegmentBridged(lan.name, () => mapWith(), clock);
  await clock.advance(5_000);
  assert.equal(await asked, false);
});
