import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ephemeralMs,
  graceMs,
  isAbandoned,
  isCrowd,
  isGone,
  offlineMs,
  runnerPatience,
  runnerSeconds,
  silentMs,
} from '../../../server/status/liveness.ts';

const now = 10_000_000;
const watchingSince = now - 3_600_000;

test('a host with a feed and a fresh report is never gone', () => {
  fc.assert(
    fc.property(fc.nat(silentMs), fc.boolean(), fc.nat(3_600_000), (age, wasGone, watched) => {
      const signs = {
        now,
        watchingSince: now - watched,
        carryingSince: now - watched,
        offlineSince: undefined,
        reportedAt: now - age,
      };
      assert.equal(isGone(signs, wasGone), false);
    }),
  );
});

test('a host without a feed is gone after six seconds, not before', () => {
  const signs = { now, watchingSince, carryingSince: watchingSince, reportedAt: now - 1000 };
  assert.equal(isGone({ ...signs, offlineSince: now - offlineMs }, false), false);
  assert.equal(isGone({ ...signs, offlineSince: now - offlineMs - 1 }, false), true);
});

test('a host that holds its feed but stopped reporting is gone after sixteen seconds', () => {
  const signs = { now, watchingSince, carryingSince: watchingSince, offlineSince: undefined };
  assert.equal(isGone({ ...signs, reportedAt: now - silentMs }, false), false);
  assert.equal(isGone({ ...signs, reportedAt: now - silentMs - 1 }, false), true);
});

test('nobody is called gone while the server itself is fresh', () => {
  const signs = {
    now,
    watchingSince: now - graceMs + 1,
    carryingSince: 0,
    offlineSince: now - graceMs,
    reportedAt: undefined,
  };
  assert.equal(isGone(signs, false), false);
  assert.equal(isGone({ ...signs, watchingSince: now - graceMs }, false), true);
});

test('a host that only now began to carry subnets is not blamed for what it did before', () => {
  const fresh = { now, watchingSince, carryingSince: now - offlineMs };
  assert.equal(isGone({ ...fresh, offlineSince: watchingSince, reportedAt: undefined }, false), false);
  assert.equal(isGone({ ...fresh, offlineSince: undefined, reportedAt: now - 55_000 }, false), false);
  const later = { ...fresh, now: now + silentMs, offlineSince: undefined, reportedAt: now - 55_000 };
  assert.equal(isGone(later, false), true);
});

test('a host that was gone stays gone until it holds a feed and has reported', () => {
  const absent = { now, watchingSince: now, carryingSince: now, offlineSince: now - 1, reportedAt: now - 1 };
  assert.equal(isGone(absent, true), true);
  assert.equal(isGone({ ...absent, offlineSince: undefined, reportedAt: undefined }, true), true);
  assert.equal(isGone({ ...absent, offlineSince: undefined }, true), false);
});

test('hosts with workloads report 200 times a second together at most, and three missed reports are a silence', () => {
  assert.deepEqual([1, 1_000, 2_000, 10_000, 100_000].map(runnerSeconds), [5, 25, 50, 60, 60]);
  for (const streams of [1, 5_000, 100_000]) {
    assert.ok(runnerPatience(streams).silentMs > 3_000 * runnerSeconds(streams));
  }
});

test('many that are silent at once are a crowd, one or two of a few are not', () => {
  assert.deepEqual(
    [isCrowd(1, 2), isCrowd(2, 3), isCrowd(3, 3), isCrowd(30, 100), isCrowd(34, 100)],
    [false, false, true, false, true],
  );
});

test('an ephemeral host is abandoned after ten minutes without a sign, counted from the newest sign', () => {
  const old = now - 3 * ephemeralMs;
  const signs = { now, watchingSince: old, isOnline: false, lastSeenAt: old, enrolledAt: old };
  assert.equal(isAbandoned(signs), true);
  assert.equal(isAbandoned({ ...signs, isOnline: true }), false);
  assert.equal(isAbandoned({ ...signs, watchingSince: now - ephemeralMs }), false);
  assert.equal(isAbandoned({ ...signs, lastSeenAt: now - ephemeralMs }), false);
  assert.equal(isAbandoned({ ...signs, enrolledAt: now - ephemeralMs }), false);
});
