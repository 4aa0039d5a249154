import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createNeeds, lingerMs } from '../../../agent/fallback/needs.ts';
import { hostRecord } from './support.ts';

const [one, two] = [hostRecord(1).id, hostRecord(2).id];
const stateOf = (isInNeed: boolean) => new Map([[one, isInNeed]]);

test('a peer is left to UDP for a while before it is wanted', () => {
  const needs = createNeeds();
  needs.stand(stateOf(true), () => 2000, 0);
  assert.equal(needs.isWanted(one, 1999), false);
  needs.stand(stateOf(true), () => 2000, 1000);
  needs.stand(stateOf(false), () => 2000, 1500);
  needs.stand(stateOf(true), () => 2000, 2500);
  assert.equal(needs.isWanted(one, 2500), false, 'UDP worked in between');
  needs.stand(stateOf(true), () => 2000, 4500);
  assert.equal(needs.isWanted(one, 4500), true);
});

test('a way over TLS is kept for a while after UDP works again', () => {
  const needs = createNeeds();
  needs.stand(stateOf(true), () => 0, 0);
  needs.stand(stateOf(false), () => 0, lingerMs - 1);
  assert.equal(needs.isWanted(one, lingerMs - 1), true);
  assert.equal(needs.isWanted(one, lingerMs), false);
});

test('who sends over TLS is answered there, until the map does not name him', () => {
  const needs = createNeeds();
  needs.note(one, 5);
  needs.stand(stateOf(false), () => 0, 6);
  assert.deepEqual([needs.isWanted(one, 6), needs.isWanted(two, 6)], [true, false]);
  needs.stand(new Map(), () => 0, 7);
  assert.equal(needs.isWanted(one, 7), false);
});
