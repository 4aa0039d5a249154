import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Forward } from '../../../agent/relay/book.ts';
import { type Heard, type Pairs, type Said, createPairs } from '../../../agent/relay/pairs.ts';
import { decodeBody, encodeBody, noChallenge, refusals, relayKinds } from '../../../agent/relay/wire.ts';
import { type Endpoint, parseEndpoint } from '../../../shared/net/endpoint.ts';

const [a, b, c, stranger] = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(16)) as [string, string, string, string];
/** Where each host's packets come from, by number: whoever is not named there cannot receive there. */
const place = (host: string, number: number): Endpoint =>
  parseEndpoint(`192.0.2.${host.charCodeAt(0) - 96}:${4000 + number}`);
const ownerOf = (endpoint: string): string =>
  String.fromCharCode(96 + Number(/\.(\d+):/.exec(endpoint)?.[1])).repeat(16);

const range = { first: 51_900, last: 51_903 };
const sign = (text: string): string => createHmac('sha256', 'secret').update(text).digest('hex').slice(0, 32);

function open(...members: string[]): Pairs {
  const pairs = createPairs({ range, sign });
  pairs.setMembers(new Set(members));
  return pairs;
}

function message(
  kind: number,
  host: string,
  partner: string,
  rest: Partial<Heard & { port: number; challenge: string }> = {},
): Heard {
  const { from = place(host, 0), port = 0, challenge = noChallenge } = rest;
  return { kind, host, from, transaction: '01'.repeat(8), body: { port, standing: 0, partner, challenge } };
}

const bodyOf = (said: Said | undefined): NonNullable<ReturnType<typeof decodeBody>> => {
  const body = said === undefined ? undefined : decodeBody(said.body);
  assert.ok(body !== undefined);
  return body;
};

/** ask, claim, echo; answers the host's port. */
function take(pairs: Pairs, host: string, partner: string, now: number, from = place(host, 0)): number {
  const { port } = bodyOf(pairs.hear(message(relayKinds.ask, host, partner, { from }), now)[0]);
  const [said] = pairs.hear(message(relayKinds.claim, host, partner, { from, port }), now);
  if (said?.kind === relayKinds.challenge) {
    const { challenge } = bodyOf(said);
    pairs.hear(message(relayKinds.echo, host, partner, { from, port, challenge }), now);
  }
  return port;
}

const lines = (forwards: readonly Forward[]): string[] =>
  forwards.map(({ source, port, target, twin }) => `${source} -> ${port}, ${twin} -> ${target}`);

test('two hosts that claimed their ports are forwarded to each other', () => {
  const pairs = open(a, b);
  const portA = take(pairs, a, b, 0);
  assert.deepEqual(pairs.forwards(), []);
  const portB = take(pairs, b, a, 10);
  assert.deepEqual([portA, portB], [51_900, 51_901]);
  assert.deepEqual(lines(pairs.forwards()), [
    '192.0.2.1:4000 -> 51900, 51901 -> 192.0.2.2:4000',
    '192.0.2.2:4000 -> 51901, 51900 -> 192.0.2.1:4000',
  ]);
});

test('both are told when the kernel has both directions, and not before', () => {
  const pairs = open(a, b);
  take(pairs, a, b, 0);
  const port = take(pairs, b, a, 0);
  const [early] = pairs.hear(message(relayKinds.claim, b, a, { port }), 1);
  assert.equal(bodyOf(early).standing, 0);
  assert.deepEqual(pairs.placed([]), []);
  const told = pairs.placed(pairs.forwards());
  assert.deepEqual(
    told.map(({ kind, host, to }) => [kind, host, to]),
    [
      [relayKinds.ready, a, place(a, 0)],
      [relayKinds.ready, b, place(b, 0)],
    ],
  );
  assert.ok(told.every((said) => bodyOf(said).standing === 1));
  assert.deepEqual(pairs.placed(pairs.forwards()), []);
  const [late] = pairs.hear(message(relayKinds.claim, b, a, { port }), 2);
  assert.deepEqual([late?.kind, bodyOf(late).standing], [relayKinds.ready, 1]);
});

test('the partner is invited until it claims, and not more often than it can answer', () => {
  const pairs = open(a, b);
  const ask = message(relayKinds.ask, a, b);
  const invites = (now: number): Said[] => pairs.hear(ask, now).filter(({ kind }) => kind === relayKinds.invite);
  const [first] = invites(0);
  assert.deepEqual([first?.host, first?.to, bodyOf(first).port, bodyOf(first).partner], [b, undefined, 51_901, a]);
  assert.deepEqual(invites(100), []);
  assert.equal(invites(500).length, 1);
  take(pairs, b, a, 600);
  assert.deepEqual(invites(2000), []);
});

test('a source that moved is followed once it echoes, and not when it only claims', () => {
  const pairs = open(a, b);
  const port = take(pairs, a, b, 0);
  take(pairs, b, a, 0);
  const from = place(a, 7);
  const [challenge] = pairs.hear(message(relayKinds.claim, a, b, { from, port }), 10);
  assert.equal(challenge?.kind, relayKinds.challenge);
  assert.equal(challenge.to, from);
  assert.equal(pairs.forwards()[0]?.source, place(a, 0));
  pairs.hear(message(relayKinds.echo, a, b, { from, port, challenge: bodyOf(challenge).challenge }), 20);
  assert.deepEqual(
    pairs.forwards().map(({ source }) => source),
    [from, place(b, 0)],
  );
});

test('an echo counts once, from where its challenge went, and for 20 seconds at most', () => {
  const pairs = open(a, b);
  const { port } = bodyOf(pairs.hear(message(relayKinds.ask, a, b), 0)[0]);
  take(pairs, b, a, 0);
  const claim = message(relayKinds.claim, a, b, { port });
  const { challenge } = bodyOf(pairs.hear(claim, 0)[0]);
  const echo = message(relayKinds.echo, a, b, { port, challenge });
  pairs.hear({ ...echo, from: place(stranger, 0) }, 1);
  pairs.hear({ ...echo, host: c }, 1);
  pairs.hear({ ...echo, body: { ...echo.body, partner: c } }, 1);
  pairs.hear(echo, 20_001);
  assert.deepEqual(pairs.forwards(), []);
  const again = bodyOf(pairs.hear(claim, 20_001)[0]).challenge;
  const right = message(relayKinds.echo, a, b, { port, challenge: again });
  pairs.hear(right, 20_002);
  assert.equal(pairs.forwards().length, 2);
  take(pairs, a, b, 20_003, place(a, 1));
  pairs.hear(right, 20_004);
  assert.equal(pairs.forwards()[0]?.source, place(a, 1));
});

test('who is not of the map, not both of one pair, or asks a host that is no relay, gets a reason and no port', () => {
  const pairs = open(a, b);
  const why = (kind: number, host: string, partner: string, port = 0): string | undefined => {
    const said = pairs.hear(message(kind, host, partner, { port }), 0);
    assert.equal(said.length, 1);
    assert.equal(bodyOf(said[0]).port, 0);
    return refusals[bodyOf(said[0]).standing];
  };
  assert.equal(why(relayKinds.ask, a, stranger), 'unknown-host');
  assert.equal(why(relayKinds.ask, stranger, a), 'unknown-host');
  assert.equal(why(relayKinds.ask, a, a), 'unknown-host');
  assert.equal(why(relayKinds.claim, b, a, 51_900), 'lost');
  assert.equal(why(relayKinds.claim, a, b, 1), 'lost');
  pairs.setMembers(new Set());
  assert.equal(why(relayKinds.ask, a, b), 'no-relay');
  assert.equal(pairs.count(), 0);
});

test('hosts that leave the map lose their pairs at once, the others none', () => {
  const pairs = open(a, b, c);
  for (const [one, two] of [
    [a, b],
    [b, a],
    [a, c],
    [c, a],
  ] as const)
    take(pairs, one, two, 0);
  assert.equal(pairs.forwards().length, 4);
  pairs.setMembers(new Set([a, c]));
  assert.equal(pairs.forwards().length, 2);
  assert.ok(pairs.forwards().every(({ hosts }) => !hosts.includes(b)));
});

test('when all ports are taken the next pair is told so, and gets one when another is given back', () => {
  const pairs = open(a, b, c, stranger);
  take(pairs, a, b, 0);
  take(pairs, a, c, 0);
  const [said] = pairs.hear(message(relayKinds.ask, b, c), 0);
  assert.equal(refusals[bodyOf(said).standing], 'full');
  pairs.setMembers(new Set([a, c, stranger]));
  assert.equal(take(pairs, c, stranger, 0), 51_900);
});

test('one host cannot take more than a quarter of the ports', () => {
  const pairs = createPairs({ range: { first: 50_000, last: 50_127 }, sign });
  const many = Array.from({ length: 40 }, (_, i) => (i + 256).toString(16).padStart(16, '0'));
  pairs.setMembers(new Set([a, ...many]));
  const granted = many.filter((partner) => bodyOf(pairs.hear(message(relayKinds.ask, a, partner), 0)[0]).port !== 0);
  assert.equal(granted.length, 16);
  const [last] = pairs.hear(message(relayKinds.ask, a, many[30] ?? ''), 0);
  assert.equal(refusals[bodyOf(last).standing], 'too-many');
});

test('a claim that outlived the agent finds its port again, unless somebody else has it', () => {
  const before = open(a, b);
  const port = take(before, a, b, 0);
  const after = open(a, b, c);
  const [said] = after.hear(message(relayKinds.claim, a, b, { port }), 0);
  assert.equal(said?.kind, relayKinds.challenge);
  const other = open(a, b, c);
  other.adopt([{ ...forward(a, c), port }], 0);
  assert.equal(refusals[bodyOf(other.hear(message(relayKinds.claim, a, b, { port }), 0)[0]).standing], 'lost');
});

const forward = (one: string, two: string): Forward => ({
  family: 4,
  source: place(one, 0),
  port: 51_900,
  target: place(two, 0),
  twin: 51_901,
  hosts: [one, two],
});

test('what the kernel holds is taken over as far as the map still allows it', () => {
  const before = open(a, b);
  take(before, a, b, 0);
  take(before, b, a, 0);
  const held = before.forwards();
  const after = open(a, b);
  after.adopt(held, 0);
  assert.deepEqual(after.forwards(), held);
  const without = open(a, c);
  without.adopt(held, 0);
  assert.deepEqual(without.forwards(), []);
});

test('a pair of which nobody claims or sends is forgotten, one that is used is kept', () => {
  const pairs = open(a, b);
  take(pairs, a, b, 0);
  take(pairs, b, a, 0);
  const ports = [51_900, 51_901];
  for (let now = 30_000; now <= 600_000; now += 30_000) pairs.sweep((port) => ports.includes(port), now);
  assert.equal(pairs.forwards().length, 2);
  pairs.sweep((port) => port === 51_900, 720_000);
  assert.deepEqual(pairs.forwards(), []);
  pairs.sweep(() => false, 840_000);
  assert.equal(pairs.count(), 0);
});

test('a pair whose other side never comes gives its ports back', () => {
  const pairs = open(a, b);
  take(pairs, a, b, 0);
  pairs.sweep(() => false, 29_000);
  assert.equal(pairs.count(), 1);
  pairs.sweep(() => false, 31_000);
  assert.equal(pairs.count(), 0);
});

/** One event of a history: a host's own word, or the replay of an earlier one from another address. */
const event = fc.record({
  who: fc.constantFrom(a, b, c, stranger),
  partner: fc.constantFrom(a, b, c, stranger),
  at: fc.nat(1),
  what: fc.constantFrom('ask', 'claim', 'echo', 'replay', 'leave', 'come', 'sweep'),
  pick: fc.nat(1000),
  pause: fc.nat(15_000),
});

test('law: whatever is said, replayed or forged, only a host that is there is a source, and nobody gets more than they sent', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), (events) => {
      const members = new Set([a, b, c]);
      const pairs = open(...members);
      const wire: Heard[] = [];
      /** Challenges that reached the host they were meant for. */
      const received: { host: string; from: Endpoint; port: number; partner: string; challenge: string }[] = [];
      let now = 0;
      const hear = (heard: Heard): void => {
        wire.push(heard);
        const said = pairs.hear(heard, now);
        assert.ok(said.filter(({ kind }) => kind !== relayKinds.invite).length <= 1, 'one answer');
        assert.ok(said.filter(({ kind }) => kind === relayKinds.invite).length <= 1, 'one invitation');
        for (const { kind, host, to, body } of said) {
          assert.equal(body.length, encodeBody(heard.body).length);
          assert.ok(kind === relayKinds.invite ? to === undefined : to === heard.from, 'only the asker is answered');
          const { port, partner, challenge } = bodyOf({ body } as Said);
          if (kind === relayKinds.challenge && to !== undefined && ownerOf(to) === host)
            received.push({ host, from: to, port, partner, challenge });
        }
      };
      for (const { who, partner, at, what, pick, pause } of events) {
        now += pause;
        const from = place(who, at);
        const port = range.first + (pick % 4);
        if (what === 'ask') hear(message(relayKinds.ask, who, partner, { from }));
        if (what === 'claim') hear(message(relayKinds.claim, who, partner, { from, port }));
        const known = received[pick % Math.max(1, received.length)];
        if (what === 'echo' && known !== undefined)
          hear(message(relayKinds.echo, known.host, known.partner, { ...known }));
        const old = wire[pick % Math.max(1, wire.length)];
        if (what === 'replay' && old !== undefined) hear({ ...old, from });
        if (what === 'leave') members.delete(who);
        if (what === 'come' && who !== stranger) members.add(who);
        if (what === 'leave' || what === 'come') pairs.setMembers(new Set(members));
        if (what === 'sweep') pairs.sweep((one) => one === port, now);
        const forwards = pairs.forwards();
        for (const { source, target, hosts, port: own, twin } of forwards) {
          assert.equal(ownerOf(source), hosts[0]);
          assert.equal(ownerOf(target), hosts[1]);
          assert.ok(hosts.every((host) => members.has(host)));
          assert.equal(own ^ twin, 1);
        }
        assert.equal(new Set(forwards.map(({ port: own, family }) => `${own} ${family}`)).size, forwards.length);
      }
    }),
    { numRuns: 300 },
  );
});
