import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type SizeQuestion, type Sizes, createSizes, ladder } from '../../../agent/paths/mtu.ts';
import { type Endpoint, parseEndpoint } from '../../../shared/net/endpoint.ts';
import { type PublicKey, parsePublicKey } from '../../../shared/wireguard.ts';
import { publicKeyOf } from '../../support/mesh-map.ts';

const peer = parsePublicKey(publicKeyOf(2));
const here = parseEndpoint('192.0.2.9:51820');
const there = parseEndpoint('192.0.2.10:51820');
const top = 1420;
const rttMs = 20;

interface World {
  readonly sizes: Sizes;
  readonly told: number[];
  now: number;
  /** The largest that passes at an endpoint; 0: nothing does. */
  readonly fits: Map<Endpoint, number>;
  way: Endpoint | undefined;
  isLost: () => boolean;
  /** Plays time in steps of 20 ms; answers what was asked. */
  play(ms: number): SizeQuestion[];
}

function world(fits: number): World {
  const told: number[] = [];
  const sizes = createSizes((_peer: PublicKey, mtu) => told.push(mtu));
  sizes.setPeers([peer], top);
  let count = 0;
  const under: { at: number; question: SizeQuestion }[] = [];
  const self: World = {
    sizes,
    told,
    now: 0,
    fits: new Map([[here, fits]]),
    way: here,
    isLost: () => false,
    play(ms) {
      const asked: SizeQuestion[] = [];
      for (const end = self.now + ms; self.now < end; self.now += 20) {
        for (const answer of under.filter(({ at }) => at <= self.now)) {
          under.splice(under.indexOf(answer), 1);
          const { endpoint, transaction } = answer.question;
          sizes.answered(peer, endpoint, transaction, self.now);
        }
        const wayOf = () => (self.way === undefined ? undefined : { endpoint: self.way, rttMs });
        for (const question of sizes.ask(self.now, 50, wayOf, () => String((count += 1)))) {
          asked.push(question);
          const isPassing = question.innerBytes <= (self.fits.get(question.endpoint) ?? 0);
          if (isPassing && !self.isLost()) under.push({ at: self.now + rttMs, question });
        }
      }
      return asked;
    },
  };
  return self;
}

/** The largest step that passes. */
const stepFor = (fits: number): number =>
  fits >= top ? Infinity : (ladder.find((size) => size <= fits && size < top) ?? 0);

test('a way that takes the whole MTU is asked one question a second, and nothing is told', () => {
  const one = world(1500);
  const asked = one.play(20_000);
  assert.ok(asked.every(({ innerBytes }) => innerBytes === top));
  assert.ok(asked.length >= 15 && asked.length <= 21, String(asked.length));
  assert.deepEqual(one.told, []);
});

test('law: within 2.5 s of a change what is believed is the largest step that fits, and never more after that', () => {
  fc.assert(
    fc.property(fc.integer({ min: 576, max: 1500 }), fc.integer({ min: 1000, max: 9000 }), (fits, at) => {
      const one = world(1500);
      one.play(at);
      one.fits.set(here, fits);
      one.play(2500);
      assert.equal(one.sizes.innerMtu(peer), stepFor(fits));
      one.play(30_000);
      assert.equal(one.sizes.innerMtu(peer), stepFor(fits));
    }),
  );
});

test('law: whatever fits and is lost by chance, what is believed after ten minutes without loss is the step that fits', () => {
  const happening = fc.record({ fits: fc.integer({ min: 0, max: 1500 }), loss: fc.integer({ min: 0, max: 60 }) });
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 6 }), fc.integer({ min: 576, max: 1500 }), (happenings, last) => {
      const one = world(1500);
      let draw = 7;
      const random = (): number => (draw = (draw * 48_271) % 2_147_483_647) % 100;
      for (const { fits, loss } of happenings) {
        one.fits.set(here, fits);
        one.isLost = () => random() < loss;
        one.play(3000);
      }
      one.fits.set(here, last);
      one.isLost = () => false;
      one.play(600_000);
      assert.equal(one.sizes.innerMtu(peer), stepFor(last));
    }),
    { numRuns: 30 },
  );
});

test('a question that is lost by chance changes nothing', () => {
  const one = world(1500);
  one.play(3000);
  let losses = 1;
  one.isLost = () => (losses -= 1) >= 0;
  const asked = one.play(3000);
  assert.ok(asked.every(({ innerBytes }) => innerBytes === top));
  assert.deepEqual(one.told, []);
});

test('a peer that answers nothing at all is believed to be what it was, and asked ever more seldom', () => {
  const one = world(1340);
  one.play(5000);
  assert.equal(one.sizes.innerMtu(peer), 1328);
  one.fits.set(here, 0);
  one.play(60_000);
  assert.equal(one.sizes.innerMtu(peer), 1328);
  assert.ok(one.play(120_000).length <= 4 * ladder.length);
  one.fits.set(here, 1340);
  one.play(31_000);
  assert.equal(one.sizes.innerMtu(peer), 1328);
});

test('more is tried every two minutes, and at once where the way or an own address is another', () => {
  const one = world(1340);
  one.play(5000);
  one.fits.set(here, 1500);
  one.play(60_000);
  assert.equal(one.sizes.innerMtu(peer), 1328);
  one.play(70_000);
  assert.equal(one.sizes.innerMtu(peer), Infinity);
  one.fits.set(here, 1340);
  one.play(5000);
  one.fits.set(there, 1500);
  one.way = there;
  one.sizes.moved(peer, one.now);
  one.play(100);
  assert.equal(one.sizes.innerMtu(peer), Infinity);
  one.fits.set(there, 1300);
  one.play(5000);
  one.fits.set(there, 1500);
  one.sizes.stir(one.now);
  one.play(100);
  assert.equal(one.sizes.innerMtu(peer), Infinity);
});

test('nothing is asked while there is no way, and nothing known before the first answer', () => {
  const one = world(1340);
  one.way = undefined;
  assert.deepEqual(one.play(5000), []);
  assert.equal(one.sizes.innerMtu(peer), undefined);
  one.way = here;
  one.play(5000);
  assert.deepEqual(one.told, [1328]);
});

test('what is lowered stays lowered where the MTU of the tunnel changes, until more is answered', () => {
  const one = world(1340);
  one.play(5000);
  one.sizes.setPeers([peer], 1400);
  assert.equal(one.sizes.innerMtu(peer), 1328);
  one.fits.set(here, 1500);
  one.play(500);
  assert.equal(one.sizes.innerMtu(peer), Infinity);
  one.sizes.setPeers([], 1400);
  assert.equal(one.sizes.innerMtu(peer), undefined);
  assert.equal(one.sizes.nextAt(), Infinity);
});

test('an answer from elsewhere, or to nothing that was asked, counts for nothing', () => {
  const one = world(0);
  const [question] = one.play(20);
  assert.ok(question !== undefined);
  assert.equal(one.sizes.answered(peer, there, question.transaction, one.now), false);
  assert.equal(one.sizes.answered(peer, here, 'another', one.now), false);
  assert.equal(one.sizes.innerMtu(peer), undefined);
});

test('all steps are what WireGuard does not pad any more', () => {
  assert.ok(ladder.every((size) => size % 16 === 0));
  assert.deepEqual(
    ladder,
    [...new Set(ladder)].sort((a, b) => b - a),
  );
});

test('law: in a mesh of any size at most ten questions a second go out, and a peer with traffic is asked each second', () => {
  fc.assert(
    fc.property(fc.integer({ min: 11, max: 120 }), fc.integer({ min: 1, max: 5 }), (count, busy) => {
      const keys = Array.from({ length: count }, (_, i) => parsePublicKey(publicKeyOf(i + 1)));
      const sizes = createSizes(() => undefined);
      sizes.setPeers(keys, top);
      const asked: { readonly peer: PublicKey; readonly at: number }[] = [];
      let sent = 0;
      for (let now = 0; now < 90_000; now += 50) {
        if (now % 2000 === 0) sizes.sent((key) => (keys.indexOf(key) < busy ? (sent += 5_000) : 0), now);
        for (const question of sizes.ask(
          now,
          50,
          () => ({ endpoint: here, rttMs }),
          () => String(asked.length),
        )) {
          asked.push({ peer: question.peer, at: now });
          sizes.answered(question.peer, here, question.transaction, now);
        }
      }
      // All begin at once; from then on there is a pace.
      const late = asked.filter(({ at }) => at >= 30_000);
      assert.ok(late.length <= 10 * 60 + count, String(late.length));
      for (const key of keys.slice(0, busy)) {
        const own = late.filter(({ peer: one }) => one === key).length;
        assert.ok(own >= 50, `${own} questions to a busy one of ${count}`);
      }
      for (const key of keys.slice(busy)) assert.ok(late.some(({ peer: one }) => one === key));
    }),
    { numRuns: 20 },
  );
});
