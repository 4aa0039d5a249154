import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Path, newPath, pathKinds } from '../../../agent/paths/path.ts';
import { type WhyFacts, whyNotDirect } from '../../../agent/paths/why.ts';
import { natSchema } from '../../../shared/network-map.ts';
import { type Endpoint, parseEndpoint } from '../../../shared/net/endpoint.ts';

const now = 1_000_000;
const [here, there, six] = ['192.0.2.1:51820', '203.0.113.9:51820', '[2001:db8::9]:51820'].map(parseEndpoint) as [
  Endpoint,
  Endpoint,
  Endpoint,
];
const way = (changes: Partial<Path> = {}): Path => ({
  ...newPath({ endpoint: there, kind: 'direct' }, false),
  asks: 9,
  misses: 9,
  ...changes,
});
const facts = (changes: Partial<WhyFacts> = {}): WhyFacts => ({
  now,
  own: { canAsk: true, nat: 'none', endpoints: [here], isAnswered: true },
  peer: { name: 'b', nat: 'none', isGone: false, endpoints: [there] },
  path: 'relay',
  isDead: false,
  ways: [way()],
  ...changes,
});
const why = (changes: Partial<WhyFacts> = {}): string => whyNotDirect(facts(changes)) ?? 'direct';
const nats = (own: WhyFacts['own']['nat'], peer: WhyFacts['own']['nat']): Partial<WhyFacts> => ({
  own: { ...facts().own, nat: own },
  peer: { ...facts().peer, nat: peer },
});

test('what is reached directly needs no reason, and one that died has one', () => {
  assert.equal(whyNotDirect(facts({ path: 'direct' })), null);
  assert.equal(whyNotDirect(facts({ path: 'lan' })), null);
  assert.match(
    why({ path: 'direct', isDead: true, ways: [way({ provenAt: 5_000 })] }),
    /answered until 1970-01-01T00:00:05/,
  );
});

test('two symmetric NATs, and one beside a strict one, are told apart, with which of the two is which', () => {
  assert.match(why(nats('symmetric', 'symmetric')), /^both hosts are behind NATs.*symmetric.*--endpoint/);
  assert.match(why(nats('symmetric', 'easy')), /^this host is behind a NAT.*symmetric.*the NAT of b does not let in/);
  assert.match(why(nats('easy', 'symmetric')), /^b is behind a NAT.*symmetric.*the NAT of this host does not let in/);
});

test('a peer that never answered while others do is blocked, and its endpoints and port are named', () => {
  assert.match(why(), /^b never answered at its endpoint \(203\.0\.113\.9:51820\): UDP.*let UDP port 51820 in/);
  assert.match(why(nats('easy', 'easy')), /never answered/);
  const ways = [1, 2, 3, 4].map((n) => way({ endpoint: parseEndpoint(`203.0.113.${n}:51820`) }));
  assert.match(why({ ways }), /at its 4 endpoints \(203\.0\.113\.1:51820, .*203\.0\.113\.3:51820, …\)/);
});

test('where nobody at all answers, this host is what is blocked', () => {
  assert.match(
    why({ own: { ...facts().own, isAnswered: false } }),
    /^nobody answers this host by UDP.*warren netcheck/,
  );
});

test('a peer without endpoints, with those of the other family only, or with useless ones says which', () => {
  const peer = facts().peer;
  assert.match(why({ ways: [], peer: { ...peer, endpoints: [] } }), /has told no endpoint/);
  const onlySix = { ...peer, endpoints: [six] };
  assert.match(why({ ways: [way({ endpoint: six })], peer: onlySix }), /b has only IPv6.*this host has only IPv4/);
  assert.match(why({ ways: [] }), /addresses of the mesh itself/);
});

test('what is not known yet is not called blocked', () => {
  assert.match(why({ ways: [way({ misses: 1 })] }), /^not known yet: endpoint of b being asked/);
  assert.match(why({ ways: [way({ misses: 0, provenAt: now - 1000 })] }), /about to go there/);
  assert.match(why({ ways: [way({ misses: 9 }), way({ misses: 1, kind: 'relay' })] }), /never answered/);
});

test('a host that cannot ask, and a peer that is gone, say so first', () => {
  assert.match(why({ own: { ...facts().own, canAsk: false } }), /cannot ask/);
  assert.match(why({ peer: { ...facts().peer, isGone: true } }), /^b is gone/);
});

test('whatever is known, there is a reason exactly where the way is not direct, of one line that a terminal holds', () => {
  const endpoints = fc.subarray([here, there, six]);
  const ways = fc.array(
    fc.record({
      endpoint: fc.constantFrom(here, there, six),
      kind: fc.constantFrom(...pathKinds),
      misses: fc.nat(9),
      provenAt: fc.option(fc.nat(now), { nil: undefined }),
    }),
    { maxLength: 16 },
  );
  const nat = fc.constantFrom(...natSchema.options);
  const any = fc.record({
    now: fc.constant(now),
    own: fc.record({ canAsk: fc.boolean(), nat, endpoints, isAnswered: fc.boolean() }),
    peer: fc.record({ name: fc.constant('b'), nat, isGone: fc.boolean(), endpoints }),
    path: fc.constantFrom('none', 'lan', 'direct', 'relay', 'tls'),
    isDead: fc.boolean(),
    ways: ways.map((all) => all.map((one) => way(one))),
  });
  fc.assert(
    fc.property(any, (one) => {
      const text = whyNotDirect(one);
      const isDirect = (one.path === 'lan' || one.path === 'direct') && !one.isDead;
      assert.equal(text === null, isDirect);
      assert.doesNotMatch(text ?? '', /undefined|NaN|Infinity|\n/);
    }),
  );
});
