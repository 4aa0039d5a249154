import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Candidate } from '../../../agent/paths/path.ts';
import { type Tracker, createTracker } from '../../../agent/paths/tracker.ts';
import { parseHostName } from '../../../shared/names.ts';
import { type Endpoint, parseEndpoint } from '../../../shared/net/endpoint.ts';
import { parsePublicKey } from '../../../shared/wireguard.ts';
import { publicKeyOf } from '../../support/mesh-map.ts';

const peer = parsePublicKey(publicKeyOf(2));
const [lan, wan, other, relayed, second] = [
  '192.168.1.9:51820',
  '192.0.2.9:51820',
  '192.0.2.10:51820',
  '198.51.100.1:51900',
  '198.51.100.2:51900',
].map(parseEndpoint) as [Endpoint, Endpoint, Endpoint, Endpoint, Endpoint];
const relay = parseHostName('relay-1');
const candidate = (endpoint: Endpoint, kind: Candidate['kind'] = 'direct'): Candidate => ({ endpoint, kind });

/** Plays time in steps of 50 ms; `rtt` says after how many ms an endpoint answers, never where it is not named. */
function play(
  tracker: Tracker,
  from: number,
  ms: number,
  rtt: (endpoint: Endpoint, now: number) => number | undefined,
) {
  const answers: { at: number; endpoint: Endpoint; transaction: string }[] = [];
  const asked: { at: number; endpoint: Endpoint }[] = [];
  let count = from;
  for (let now = from; now < from + ms; now += 50) {
    for (const answer of answers.filter(({ at }) => at <= now)) {
      answers.splice(answers.indexOf(answer), 1);
      tracker.answered(peer, answer.endpoint, answer.transaction, answer.at);
    }
    for (const { endpoint, transaction } of tracker.ask(now, 100, () => String((count += 1)))) {
      asked.push({ at: now, endpoint });
      const late = rtt(endpoint, now);
      if (late !== undefined) answers.push({ at: now + late, endpoint, transaction });
    }
  }
  return asked;
}

const started = (...candidates: Candidate[]): Tracker => {
  const tracker = createTracker(() => ({ settledMs: 5000 }));
  tracker.setPeers(new Map([[peer, candidates]]), 0);
  return tracker;
};

test('all ways are asked at once, and an own network goes before a faster way elsewhere', () => {
  const tracker = started(candidate(lan, 'lan'), candidate(wan), candidate(other));
  assert.deepEqual(
    play(tracker, 0, 50, () => undefined).map(({ endpoint }) => endpoint),
    [lan, wan, other],
  );
  play(tracker, 50, 4000, (endpoint) => (endpoint === lan ? 40 : 1));
  assert.equal(tracker.choice(peer, 4000)?.best.endpoint, lan);
  assert.deepEqual(tracker.choice(peer, 4000)?.worse, [wan, other]);
});

test('a way that works is asked now and then, the others not any more', () => {
  const tracker = started(candidate(wan), candidate(other));
  play(tracker, 0, 10_000, (endpoint) => (endpoint === wan ? 10 : undefined));
  const asked = play(tracker, 10_000, 60_000, (endpoint) => (endpoint === wan ? 10 : undefined));
  assert.deepEqual(new Set(asked.map(({ endpoint }) => endpoint)), new Set([wan]));
  assert.ok(asked.length >= 11 && asked.length <= 13, `${asked.length}`);
});

test('a peer that never answers is asked ever more seldom', () => {
  const tracker = started(candidate(wan));
  assert.ok(play(tracker, 0, 5000, () => undefined).length >= 5);
  play(tracker, 5000, 600_000, () => undefined);
  assert.ok(play(tracker, 605_000, 600_000, () => undefined).length <= 10);
  assert.equal(tracker.choice(peer, 1_205_000), undefined);
  tracker.stir(peer, 1_205_000);
  assert.equal(play(tracker, 1_205_000, 50, () => undefined).length, 1);
});

test('a direct way that falls silent gives way to the relay within 8 s, and one lost answer changes nothing', () => {
  const tracker = started(candidate(wan));
  tracker.setCarried(peer, { kind: 'relay', via: relay }, relayed, 0);
  let isLost = false;
  play(tracker, 0, 20_000, (endpoint, now) => {
    if (endpoint !== wan) return 30;
    if (now < 12_000 || isLost) return 10;
    isLost = true;
    return undefined;
  });
  assert.equal(tracker.choice(peer, 20_000)?.best.endpoint, wan);
  play(tracker, 20_000, 8000, (endpoint) => (endpoint === wan ? undefined : 30));
  assert.equal(tracker.choice(peer, 28_000)?.best.endpoint, relayed);
});

test('from a relay that dies the other takes over within 3 s, and direct again as soon as it answers', () => {
  const tracker = started(candidate(wan));
  tracker.setCarried(peer, { kind: 'relay', via: relay }, relayed, 0);
  tracker.setCarried(peer, { kind: 'relay', via: parseHostName('relay-2') }, second, 0);
  play(tracker, 0, 10_000, (endpoint) => (endpoint === wan ? undefined : endpoint === relayed ? 20 : 60));
  assert.equal(tracker.choice(peer, 10_000)?.best.endpoint, relayed);
  play(tracker, 10_000, 3000, (endpoint) => (endpoint === second ? 60 : undefined));
  assert.equal(tracker.choice(peer, 13_000)?.best.endpoint, second);
  tracker.stir(peer, 13_000);
  play(tracker, 13_000, 500, () => 20);
  assert.equal(tracker.choice(peer, 13_500)?.best.endpoint, wan);
});

test('over TLS is the last of ways, is left for a relay, and all others are asked within 10 s', () => {
  const tracker = started(candidate(wan));
  const local = parseEndpoint('127.0.0.1:40000');
  tracker.setCarried(peer, { kind: 'tls', via: relay }, local, 0);
  play(tracker, 0, 600_000, (endpoint) => (endpoint === local ? 5 : undefined));
  assert.equal(tracker.choice(peer, 600_000)?.best.endpoint, local);
  const asked = play(tracker, 600_000, 10_500, (endpoint) => (endpoint === local ? 5 : undefined));
  assert.ok(asked.some(({ endpoint }) => endpoint === wan));
  tracker.setCarried(peer, { kind: 'relay', via: relay }, relayed, 610_500);
  play(tracker, 610_500, 1000, (endpoint) => (endpoint === wan ? undefined : endpoint === local ? 5 : 90));
  assert.equal(tracker.choice(peer, 611_500)?.best.endpoint, relayed, 'slower, but UDP');
  tracker.setCarried(peer, { kind: 'relay', via: relay }, undefined, 611_500);
  assert.equal(tracker.choice(peer, 611_500)?.best.endpoint, local, 'each kind is taken back by itself');
});

test('of two ways over TLS the one in use is kept, however busy the machines are, until it dies', () => {
  const tracker = started();
  const [one, two] = [parseEndpoint('127.0.0.1:40000'), parseEndpoint('127.0.0.1:40001')];
  tracker.setCarried(peer, { kind: 'tls', via: relay }, one, 0);
  tracker.setCarried(peer, { kind: 'tls', via: parseHostName('relay-2') }, two, 0);
  tracker.setInUse(peer, one);
  for (let at = 0; at < 120_000; at += 500) {
    play(tracker, at, 500, (endpoint) => (endpoint === one ? 10 + ((at / 500) % 9) * 60 : 20));
    if (at > 2000) assert.equal(tracker.choice(peer, at + 500)?.best.endpoint, one, `after ${at} ms`);
  }
  play(tracker, 120_000, 5000, (endpoint) => (endpoint === one ? undefined : 20));
  assert.equal(tracker.choice(peer, 125_000)?.best.endpoint, two);
});

test('the way in use is kept where it is as good as the best', () => {
  const tracker = started(candidate(wan), candidate(other));
  tracker.setInUse(peer, other);
  play(tracker, 0, 3000, (endpoint) => (endpoint === wan ? 10 : 12));
  assert.equal(tracker.choice(peer, 3000)?.best.endpoint, other);
  tracker.setInUse(peer, undefined);
  assert.equal(tracker.choice(peer, 3000)?.best.endpoint, wan);
});

test('a peer that is heard elsewhere while the way in use falls silent is followed within a second', () => {
  const tracker = started(candidate(wan));
  tracker.setInUse(peer, wan);
  play(tracker, 0, 8200, () => 10);
  tracker.heard(peer, other, false, 8200);
  tracker.proven(peer, other, 8200);
  play(tracker, 8200, 800, (endpoint) => (endpoint === other ? 20 : undefined));
  assert.equal(tracker.choice(peer, 9000)?.best.endpoint, other);
  // And so it is when it comes back.
  tracker.setInUse(peer, other);
  play(tracker, 9000, 60_000, (endpoint) => (endpoint === other ? 20 : undefined));
  tracker.heard(peer, wan, false, 69_000);
  tracker.proven(peer, wan, 69_000);
  play(tracker, 69_000, 800, (endpoint) => (endpoint === wan ? 10 : undefined));
  assert.equal(tracker.choice(peer, 69_800)?.best.endpoint, wan);
  // Where both answer the one in use is kept.
  const kept = started(candidate(wan));
  kept.setInUse(peer, wan);
  play(kept, 0, 8200, () => 10);
  kept.heard(peer, other, false, 8200);
  kept.proven(peer, other, 8200);
  play(kept, 8200, 20_000, () => 10);
  assert.equal(kept.choice(peer, 28_200)?.best.endpoint, wan);
});

test('one lost answer does not move a peer between two ways that both worked before', () => {
  const tracker = started(candidate(wan), candidate(other));
  tracker.setInUse(peer, wan);
  play(tracker, 0, 20_000, () => 10);
  let isLost = false;
  const asked = play(tracker, 20_000, 6_000, (endpoint, now) => {
    if (endpoint === wan && !isLost && now >= 20_000) {
      isLost = true;
      return undefined;
    }
    if (isLost) assert.equal(tracker.choice(peer, now)?.best.endpoint, wan);
    return 10;
  });
  assert.ok(isLost && asked.length > 1);
});

test('only the answer to the question that waits, from where it was asked, proves a way', () => {
  const tracker = started(candidate(wan), candidate(other));
  const [first] = tracker.ask(0, 1, () => 'one');
  assert.equal(first?.endpoint, wan);
  assert.equal(tracker.answered(peer, wan, 'two', 10), false);
  assert.equal(tracker.answered(peer, parseEndpoint('203.0.113.1:1'), 'one', 10), false);
  assert.equal(tracker.choice(peer, 10), undefined);
  assert.equal(tracker.answered(peer, wan, 'one', 10), true);
  assert.equal(tracker.answered(peer, wan, 'one', 11), false);
  assert.equal(tracker.choice(peer, 11)?.best.endpoint, wan);
});

test('where a peer was heard from is asked only once it is proven, and only the last few are kept', () => {
  const tracker = started(candidate(wan));
  for (let i = 1; i <= 20; i += 1) {
    assert.equal(tracker.heard(peer, parseEndpoint(`203.0.113.${i}:1`), false, 0), true);
  }
  assert.equal(tracker.ways(peer).length, 5);
  // The ping may be a replay from a forged address, which would be sent more than was sent.
  assert.equal(play(tracker, 0, 50, () => 10).length, 1);
  tracker.proven(peer, parseEndpoint('203.0.113.20:1'), 50);
  assert.equal(play(tracker, 50, 50, () => 10).length, 1);
  assert.equal(tracker.heard(peer, wan, false, 0), false);
});

test('a peer that looks for a way wakes one that had given up, but not one that has a direct way', () => {
  const tracker = started(candidate(wan));
  play(tracker, 0, 300_000, () => undefined);
  tracker.heard(peer, wan, true, 300_000);
  assert.equal(play(tracker, 300_000, 50, () => 10).length, 1);
  play(tracker, 300_050, 20_000, () => 10);
  const before = tracker.nextAt(320_050);
  tracker.heard(peer, wan, true, 320_050);
  assert.equal(tracker.nextAt(320_050), before);
});

test('what was learned of a way outlives a new record that still names it', () => {
  const tracker = started(candidate(wan), candidate(other));
  play(tracker, 0, 1000, (endpoint) => (endpoint === wan ? 10 : undefined));
  tracker.setPeers(new Map([[peer, [candidate(lan, 'lan'), candidate(wan)]]]), 1000);
  assert.deepEqual(tracker.choice(peer, 1000)?.worse, [lan]);
  assert.equal(tracker.choice(peer, 1000)?.best.endpoint, wan);
  tracker.setPeers(new Map(), 1000);
  assert.equal(tracker.choice(peer, 1000), undefined);
});

test('an endpoint in use that a newer record does not name any more is known as a worse one, to be moved away from', () => {
  const tracker = started(candidate(wan));
  tracker.setInUse(peer, wan);
  tracker.setPeers(new Map([[peer, [candidate(other)]]]), 1000);
  tracker.setInUse(peer, wan);
  play(tracker, 1000, 1000, (endpoint) => (endpoint === other ? 5 : undefined));
  assert.deepEqual(tracker.choice(peer, 2000), { best: tracker.path(peer, other), worse: [wan] });
});
