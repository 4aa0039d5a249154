import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Ground, Sent } from '../../../agent/relay/ground.ts';
import { type Links, createLinks } from '../../../agent/relay/links.ts';
import { type Pairs, createPairs } from '../../../agent/relay/pairs.ts';
import { decodeBody, encodeBody, noChallenge, refusals, relayKinds } from '../../../agent/relay/wire.ts';
import { type Endpoint, parseEndpoint } from '../../../shared/net/endpoint.ts';

const [a, b] = ['a'.repeat(16), 'b'.repeat(16)] as const;
const relays = ['1', '2', '3'].map((digit) => digit.repeat(16)) as [string, string, string];
const [r1, r2, r3] = relays;
const endpointOf = (id: string): Endpoint => parseEndpoint(`198.51.100.${Number.parseInt(id[0] ?? '', 16)}:51820`);
const portAt = (id: string, port: number): Endpoint => parseEndpoint(endpointOf(id).replace(/:\d+$/, `:${port}`));

let transactions = 0;
const newTransaction = (): string => (transactions += 1).toString(16).padStart(16, '0');

function ground(peer: string, changes: Partial<Ground> & { isInNeed?: boolean; inUse?: string } = {}): Ground {
  const { isInNeed = true, inUse, ...rest } = changes;
  return {
    peers: new Map([[peer, { isInNeed, inUse }]]),
    relays: relays.map((id) => ({ id, endpoints: [endpointOf(id)] })),
    marked: new Set(relays),
    ...rest,
  };
}

const kinds = (sent: readonly Sent[]): string[] => sent.map(({ kind, host, to }) => `${kind} ${host[0]} ${to}`);

/** The relay's word on the message that was sent to it. */
function answer(
  sent: Sent | undefined,
  kind: number,
  body: { port?: number; standing?: number; challenge?: string } = {},
) {
  assert.ok(sent !== undefined);
  const asked = decodeBody(sent.body);
  assert.ok(asked !== undefined);
  const whole = { ...asked, challenge: noChallenge, ...body };
  return { kind, relay: sent.host, from: sent.to, transaction: sent.transaction, body: whole };
}

/** Brings the link at `relay` through. */
function goThrough(links: Links, ask: Sent | undefined, port: number, now: number): void {
  const [claim] = links.hear(answer(ask, relayKinds.grant, { port }), now);
  const [echo] = links.hear(answer(claim, relayKinds.challenge, { port, challenge: 'c'.repeat(32) }), now);
  links.hear(answer(echo, relayKinds.ready, { port, standing: 1 }), now);
}

/** As one whose need has lasted long enough to ask. */
function open(self: string, peer: string, changes: Parameters<typeof ground>[1] = {}): Links {
  const links = createLinks(self, newTransaction);
  links.stand(ground(peer, changes), -2_000);
  links.stand(ground(peer, changes), 0);
  return links;
}

test('the host with the lower id asks the two quickest relays, the other one waits to be invited', () => {
  const [low, high] = [createLinks(a, newTransaction), createLinks(b, newTransaction)];
  for (const now of [0, 600]) {
    low.stand(ground(b), now);
    high.stand(ground(a), now);
  }
  assert.deepEqual(kinds(low.due(600)), [`16 1 ${endpointOf(r1)}`, `16 2 ${endpointOf(r2)}`]);
  assert.deepEqual(high.due(600), []);
  high.stand(ground(a), 2_000);
  assert.deepEqual(kinds(high.due(2_000)), [`16 1 ${endpointOf(r1)}`, `16 2 ${endpointOf(r2)}`]);
});

test('a peer that is reached directly needs no relay, and a relay is none for itself', () => {
  const links = createLinks(a, newTransaction);
  links.stand(ground(b, { isInNeed: false }), 0);
  assert.deepEqual(links.due(0), []);
  links.stand(ground(r1), 0);
  links.stand(ground(r1), 2_000);
  assert.deepEqual(kinds(links.due(2_000)), [`16 2 ${endpointOf(r2)}`, `16 3 ${endpointOf(r3)}`]);
});

test('asked, granted, claimed, challenged, echoed: then the way is there', () => {
  const links = open(a, b);
  const [ask] = links.due(0);
  const [claim] = links.hear(answer(ask, relayKinds.grant, { port: 51_900 }), 1);
  assert.deepEqual([claim?.kind, claim?.to], [relayKinds.claim, portAt(r1, 51_900)]);
  const challenge = { port: 51_900, challenge: 'c'.repeat(32) };
  const [echo] = links.hear(answer(claim, relayKinds.challenge, challenge), 2);
  assert.equal(decodeBody(echo?.body ?? Buffer.alloc(0))?.challenge, 'c'.repeat(32));
  links.hear(answer(echo, relayKinds.ready, { standing: 0 }), 3);
  assert.deepEqual(links.routes(), []);
  links.hear(answer(echo, relayKinds.ready, { standing: 1 }), 4);
  assert.deepEqual(links.routes(), [{ peer: b, relay: r1, endpoint: portAt(r1, 51_900) }]);
});

test('what no question of ours has asked, or comes from elsewhere, is not believed', () => {
  const links = open(a, b);
  const [ask] = links.due(0);
  const grant = answer(ask, relayKinds.grant, { port: 51_900 });
  assert.deepEqual(links.hear({ ...grant, transaction: 'f'.repeat(16) }, 1), []);
  assert.deepEqual(links.hear({ ...grant, relay: r2 }, 1), []);
  const [claim] = links.hear(grant, 1);
  assert.deepEqual(links.hear(grant, 1), []);
  const challenge = answer(claim, relayKinds.challenge, { challenge: 'c'.repeat(32) });
  assert.deepEqual(links.hear({ ...challenge, from: portAt(r2, 51_900) }, 2), []);
  assert.deepEqual(links.hear({ ...challenge, from: endpointOf(r1) }, 2), []);
  assert.equal(links.hear(challenge, 2).length, 1);
});

test('an invitation is followed to where the relay was proven to be, and only for a relay and a peer of the map', () => {
  const links = createLinks(b, newTransaction);
  links.stand(ground(a, { isInNeed: false }), 0);
  const body = { port: 51_901, standing: 0, partner: a, challenge: noChallenge };
  const from = parseEndpoint('203.0.113.9:1');
  const invite = { kind: relayKinds.invite, relay: r1, from, transaction: 'f'.repeat(16), body };
  assert.deepEqual(links.hear({ ...invite, relay: a }, 0), []);
  assert.deepEqual(links.hear({ ...invite, body: { ...body, partner: 'e'.repeat(16) } }, 0), []);
  assert.deepEqual(kinds(links.hear(invite, 0)), [`19 1 ${portAt(r1, 51_901)}`]);
  assert.deepEqual(links.hear(invite, 0), [], 'its replay adds nothing');
});

test('a relay that does not come through is no longer counted on, and another one is asked', () => {
  const links = open(a, b);
  links.due(0);
  links.stand(ground(b), 3_000);
  assert.ok(kinds(links.due(3_000)).includes(`16 3 ${endpointOf(r3)}`));
});

test('a peer that never comes is waited for ever more seldom, and an invitation ends the wait', () => {
  const links = open(a, b, { relays: [{ id: r1, endpoints: [endpointOf(r1)] }] });
  const only = ground(b, { relays: [{ id: r1, endpoints: [endpointOf(r1)] }] });
  const asked: number[] = [];
  for (let now = 0; now < 3_600_000; now += 500) {
    links.stand(only, now);
    const isFirst = links.due(now).some(({ kind }) => kind === relayKinds.ask);
    if (isFirst && now - (asked.at(-1) ?? -Infinity) >= 30_000) asked.push(now);
  }
  assert.ok(asked.length >= 5 && asked.length < 14, `${asked.length} times in an hour`);
  const body = { port: 51_900, standing: 0, partner: b, challenge: noChallenge };
  const invite = { kind: relayKinds.invite, relay: r1, from: endpointOf(r1), transaction: 'f'.repeat(16), body };
  assert.equal(links.hear(invite, 3_600_000).length, 1);
});

test('a relay that refuses is left alone, one that lost the port is asked again at once', () => {
  const links = open(a, b);
  const [one, two] = links.due(0);
  links.hear(answer(one, relayKinds.grant, { standing: refusals.indexOf('full') }), 1);
  links.stand(ground(b), 2);
  assert.deepEqual(kinds(links.due(2)), [`16 3 ${endpointOf(r3)}`]);
  goThrough(links, two, 51_902, 3);
  assert.equal(links.routes().length, 1);
  const claim = links.due(16_000).find(({ kind }) => kind === relayKinds.claim);
  links.hear(answer(claim, relayKinds.grant, { port: 0, standing: refusals.indexOf('lost') }), 16_001);
  assert.deepEqual(links.routes(), []);
  assert.ok(kinds(links.due(16_001)).includes(`16 2 ${endpointOf(r2)}`));
});

test('the claim in use is renewed every 1.5 s, the warm one every 15 s, and at once when the way is in doubt', () => {
  const links = open(a, b, { inUse: r1 });
  const [one, two] = links.due(0);
  goThrough(links, one, 51_900, 0);
  goThrough(links, two, 51_902, 0);
  assert.deepEqual(links.due(1_499), []);
  const [renewal, ...rest] = links.due(1_500);
  assert.deepEqual(kinds([renewal as Sent]), [`19 1 ${portAt(r1, 51_900)}`]);
  assert.deepEqual(rest, []);
  links.hear(answer(renewal, relayKinds.ready, { standing: 1 }), 1_501);
  links.renew(b, 2_000);
  assert.deepEqual(kinds(links.due(2_000)), [`19 1 ${portAt(r1, 51_900)}`, `19 2 ${portAt(r2, 51_902)}`]);
});

test('a way through that nobody answers for stays offered, for the kernel may go on without its agent', () => {
  const links = open(a, b);
  const [one] = links.due(0);
  goThrough(links, one, 51_900, 0);
  for (let now = 0; now < 600_000; now += 500) {
    links.stand(ground(b, { relays: [] }), now);
    links.due(now);
  }
  assert.equal(links.routes().length, 1);
});

test('links end with the need after a while, and at once with the relay or the peer', () => {
  const through = (): Links => {
    const links = open(a, b);
    const [one] = links.due(0);
    goThrough(links, one, 51_900, 0);
    return links;
  };
  const calm = through();
  calm.stand(ground(b, { isInNeed: false }), 1_000);
  assert.equal(calm.routes().length, 1);
  calm.stand(ground(b, { isInNeed: false }), 61_001);
  assert.deepEqual([calm.routes(), calm.due(61_001)], [[], []]);
  const unmarked = through();
  unmarked.stand(ground(b, { marked: new Set([r2, r3]) }), 1);
  assert.deepEqual(unmarked.routes(), []);
  const alone = through();
  alone.stand(ground(r1), 1);
  assert.deepEqual(alone.routes(), []);
});

test('a relay that is elsewhere is asked there', () => {
  const links = open(a, b);
  const [one] = links.due(0);
  goThrough(links, one, 51_900, 0);
  const moved = parseEndpoint('198.51.100.77:51820');
  links.stand(ground(b, { relays: [{ id: r1, endpoints: [moved] }] }), 1);
  assert.deepEqual(links.routes(), []);
  assert.ok(kinds(links.due(1)).includes(`16 1 ${moved}`));
});

interface Packet {
  readonly at: number;
  readonly deliver: () => void;
}

/** Two hosts and two relays over a network that loses, doubles and reorders; answers after how many ms both had a way. */
function play(fates: readonly number[], hostsWanted: number): number | undefined {
  const range = { first: 51_900, last: 51_919 };
  const sign = (text: string): string => createHmac('sha256', 's').update(text).digest('hex').slice(0, 32);
  const served = new Map<string, Pairs>();
  for (const id of [r1, r2]) {
    const pairs = createPairs({ range, sign });
    pairs.setMembers(new Set([a, b, r1, r2]));
    served.set(id, pairs);
  }
  const hosts = new Map([a, b].map((id) => [id, createLinks(id, newTransaction)]));
  const sources = new Map([a, b].map((id) => [id, parseEndpoint(`192.0.2.${id === a ? 1 : 2}:4000`)]));
  const flying: Packet[] = [];
  let now = 0;
  let sent = 0;
  const fly = (deliver: () => void): void => {
    // Of the first packets each has its fate; later ones arrive, or nothing could be promised.
    const fate = fates[sent] ?? 10;
    sent += 1;
    if (fate % 4 === 0) return;
    flying.push({ at: now + (fate % 400), deliver });
    if (fate % 4 === 1) flying.push({ at: now + (fate % 900), deliver });
  };
  const toRelay = (from: string, packets: readonly Sent[]): void => {
    for (const { host: relay, kind, transaction, body, to } of packets)
      fly(() => {
        const parsed = decodeBody(body);
        const pairs = served.get(relay);
        if (parsed === undefined || pairs === undefined) return;
        const heard = { kind, host: from, from: sources.get(from) ?? to, transaction, body: parsed };
        const said = [...pairs.hear(heard, now), ...pairs.placed(pairs.forwards())];
        for (const one of said)
          fly(() => {
            const bodyBack = decodeBody(one.body);
            if (bodyBack === undefined) return;
            const fromPort = one.kind === relayKinds.challenge || one.kind === relayKinds.ready;
            const message = {
              kind: one.kind,
              relay,
              from: fromPort ? portAt(relay, bodyBack.port) : endpointOf(relay),
              transaction: one.transaction ?? newTransaction(),
              body: bodyBack,
            };
            toRelay(one.host, hosts.get(one.host)?.hear(message, now) ?? []);
          });
      });
  };
  for (; now < 20_000; now += 50) {
    for (const packet of flying.filter(({ at }) => at <= now)) {
      flying.splice(flying.indexOf(packet), 1);
      packet.deliver();
    }
    for (const [id, links] of hosts) {
      const known = ground(id === a ? b : a, { marked: new Set([r1, r2]) });
      links.stand({ ...known, relays: known.relays.slice(0, 2) }, now);
      toRelay(id, links.due(now));
    }
    const routes = [...hosts.values()].map((links) => links.routes());
    if (routes.every((some) => some.length >= hostsWanted)) {
      const [one = [], two = []] = routes.map((some) => some.map(({ relay }) => relay).sort());
      assert.deepEqual(one, two);
      return now;
    }
  }
  return undefined;
}

test('on a network that loses nothing both hosts have two ways within a second and a half', () => {
  assert.ok((play([], 2) ?? Infinity) < 1_500);
});

test('law: however the first 60 packets are lost, doubled or late, both hosts have both ways in the end', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3_600), { maxLength: 60 }), (fates) => {
      assert.notEqual(play(fates, 2), undefined);
    }),
    { numRuns: 60 },
  );
});

test('a body is read as it was written, and nothing of another size is one', () => {
  const body = { port: 51_900, standing: 2, partner: a, challenge: 'c'.repeat(32) };
  assert.deepEqual(decodeBody(encodeBody(body)), body);
  assert.equal(decodeBody(Buffer.alloc(27)), undefined);
  assert.equal(decodeBody(Buffer.alloc(29)), undefined);
});
