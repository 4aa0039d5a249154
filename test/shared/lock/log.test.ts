import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { lockCrypto } from '../../../agent/lock/crypto.ts';
import { type LockEntry, formatBody, parseBody } from '../../../shared/lock/entry.ts';
import { extendLog } from '../../../shared/lock/log.ts';
import type { HostRecord } from '../../../shared/network-map.ts';
import { TestLog, makeKey } from '../../support/lock-log.ts';
import { meshOf } from '../../support/mesh-map.ts';

const [one, two, three] = meshOf(3).hosts as [HostRecord, HostRecord, HostRecord];
const read = (entries: readonly LockEntry[]) => extendLog(undefined, entries, lockCrypto);
const refusedFor = (entries: readonly LockEntry[], why: RegExp): void => {
  assert.throws(() => read(entries), { code: 'lock-refused', message: why });
};

/** Two keys, three hosts, one of them changed and one removed. */
function longLog(): TestLog {
  const log = new TestLog();
  const second = makeKey();
  log.host(one);
  log.add({ kind: 'add-key', key: second.publicKey, label: 'second' });
  log.host(two);
  log.host(three);
  log.host({ ...two, publicKey: three.publicKey.replace(/^./, 'A') as HostRecord['publicKey'] }, 1);
  log.add({ kind: 'host-removed', id: three.id, sequence: 1 }, second);
  log.add({ kind: 'remove-key', key: second.publicKey });
  return log;
}

test('a log says who has keys and which hosts are let in', () => {
  const state = read(longLog().entries);
  assert.deepEqual([...(state?.hosts.keys() ?? [])].sort(), [one.id, two.id]);
  assert.equal(state?.hosts.get(two.id)?.sequence, 1);
  assert.deepEqual(
    [...(state?.keys.values() ?? [])].map(({ label }) => label),
    ['first'],
  );
  assert.equal(state?.height, 8);
});

test('an entry has one spelling: what is read is written the same, byte for byte', () => {
  for (const { body } of longLog().entries) assert.equal(formatBody(parseBody(body)), body);
  const [first] = longLog().entries;
  const fields = JSON.parse(first?.body ?? '') as Record<string, unknown>;
  for (const text of [
    ` ${first?.body}`,
    JSON.stringify(fields, undefined, 1),
    JSON.stringify(Object.fromEntries(Object.entries(fields).reverse())),
    JSON.stringify({ ...fields, more: 1 }),
    first?.body.replace('"v":1', '"v":1.0') ?? '',
    first?.body.replace('"init"', '"\\u0069nit"') ?? '',
  ]) {
    assert.throws(() => parseBody(text), { code: 'lock-refused' }, text);
  }
});

test('the encoding is what docs/lock.md says', () => {
  const log = new TestLog();
  assert.match(
    log.entries[0]?.body ?? '',
    /^\{"v":1,"n":0,"prev":"0{64}","at":1700000000000,"by":"[^"]{44}","kind":"init","key":"[^"]{44}","label":"first","salt":"(ab){32}"\}$/,
  );
  log.host(one);
  const host = `"host":{"id":"${one.id}","name":"host-1","publicKey":"${one.publicKey}","addresses":["10.86.0.1","fd00:86::1"],"leases":["10.210.1.0/24","fd00:86:0:11::/64"],"subnets":[],"sequence":0,"expiresAt":null}}`;
  assert.ok(log.entries[1]?.body.endsWith(`"kind":"host",${host}`));
});

test('any changed byte of any entry is refused', () => {
  const { entries } = longLog();
  const change = fc.record({
    at: fc.nat({ max: entries.length - 1 }),
    field: fc.constantFrom('body' as const, 'signature' as const),
    place: fc.nat({ max: 5_000 }),
    by: fc.integer({ min: 1, max: 94 }),
  });
  fc.assert(
    fc.property(change, ({ at, field, place, by }) => {
      const whole = entries[at]?.[field] ?? '';
      const i = place % whole.length;
      const char = String.fromCharCode(32 + ((whole.charCodeAt(i) - 32 + by) % 95));
      const text = whole.slice(0, i) + char + whole.slice(i + 1);
      const changed = entries.map((entry, n) => (n === at ? { ...entry, [field]: text } : entry));
      assert.throws(() => read(changed), { code: 'lock-refused' });
    }),
    { numRuns: 300 },
  );
});

test('entries left out, doubled or in another order are refused; only a shorter log is a log', () => {
  const { entries } = longLog();
  const order = fc.array(fc.nat({ max: entries.length - 1 }), { minLength: 1, maxLength: entries.length + 2 });
  fc.assert(
    fc.property(order, (places) => {
      const isPrefix = places.every((place, i) => place === i);
      const some = places.map((place) => entries[place]).filter((entry) => entry !== undefined);
      if (isPrefix) assert.equal(read(some)?.height, some.length);
      else assert.throws(() => read(some), { code: 'lock-refused' });
    }),
  );
});

test('reading on from a state ends where reading all of it does', () => {
  const { entries } = longLog();
  fc.assert(
    fc.property(fc.nat({ max: entries.length }), (cut) => {
      const before = read(entries.slice(0, cut));
      assert.deepEqual(extendLog(before, entries.slice(cut), lockCrypto), read(entries));
    }),
  );
});

test('a key that is not of the lock, or not any more, signs nothing', () => {
  const stranger = makeKey();
  const log = new TestLog();
  log.add({ kind: 'add-key', key: stranger.publicKey, label: 'mine' }, stranger);
  refusedFor(log.entries, /signed by a key that is none of the lock's/);
  const late = longLog();
  const removed = parseBody(late.entries.at(-1)?.body ?? '');
  assert.equal(removed.kind, 'remove-key');
  const second = makeKey();
  const again = new TestLog();
  again.add({ kind: 'add-key', key: second.publicKey, label: 'second' });
  again.add({ kind: 'remove-key', key: second.publicKey });
  again.add({ kind: 'host-removed', id: one.id, sequence: 0 }, second);
  refusedFor(again.entries, /none of the lock's/);
});

test('a signature of a key of the lock does for its own entry only', () => {
  const log = new TestLog();
  log.host(one);
  const other = new TestLog();
  other.host(two);
  const swapped = { body: log.entries[1]?.body ?? '', signature: other.entries[1]?.signature ?? '' };
  refusedFor([...log.entries.slice(0, 1), swapped], /signature of entry 1 is not good/);
});

test('the last key stays, a key is admitted once, and a log begins once', () => {
  const last = new TestLog();
  last.add({ kind: 'remove-key', key: last.first.publicKey });
  refusedFor(last.entries, /last key/);
  const twice = new TestLog();
  twice.add({ kind: 'add-key', key: twice.first.publicKey, label: 'again' });
  refusedFor(twice.entries, /one of the lock already/);
  const again = new TestLog();
  again.add({ kind: 'init', key: again.first.publicKey, label: 'again', salt: 'cd'.repeat(32) });
  refusedFor(again.entries, /only begins with it/);
});

test('an old record of a host comes never again, also after it was removed', () => {
  const log = new TestLog();
  log.host(one);
  log.host(one);
  refusedFor(log.entries, /sequence 0 of host .* is not newer than 0/);
  const removed = new TestLog();
  removed.host(one);
  removed.add({ kind: 'host-removed', id: one.id, sequence: 1 });
  removed.host(one, 1);
  refusedFor(removed.entries, /sequence 1 of host .* is not newer than 1/);
});

test('no two hosts that are let in share a name, key, address or lease; who is removed leaves them free', () => {
  for (const field of ['name', 'publicKey', 'addresses', 'leases'] as const) {
    const log = new TestLog();
    log.host(one);
    log.host({ ...two, [field]: one[field] });
    refusedFor(log.entries, /belongs to host host-1 .*warren lock revoke/);
  }
  const log = new TestLog();
  log.host(one);
  log.add({ kind: 'host-removed', id: one.id, sequence: 1 });
  log.host({ ...two, name: one.name });
  assert.equal(read(log.entries)?.hosts.size, 1);
});
