import assert from 'node:assert/strict';
import { test } from 'node:test';
import { netcheckSchema } from '../../../agent/netcheck/check.ts';
import type { NetFacts } from '../../../agent/netcheck/facts.ts';
import { offsetOf } from '../../../agent/netcheck/judge-server.ts';
import { judge } from '../../../agent/netcheck/netcheck.ts';
import type { ServerLook } from '../../../agent/netcheck/server-look.ts';
import { peerStatusSchema } from '../../../agent/local/api.ts';
import { WarrenError } from '../../../shared/errors.ts';
import { parseAddress } from '../../../shared/net/address.ts';
import { parseEndpoint } from '../../../shared/net/endpoint.ts';
import { type HostOptions, meshOf } from '../../support/mesh-map.ts';

const own = parseEndpoint('192.0.2.1:51820');
const observer = parseEndpoint('198.51.100.1:8443');
const look: ServerLook = {
  local: parseAddress('192.0.2.1'),
  server: parseAddress('198.51.100.1'),
  connectMs: 1,
  tlsMs: 5,
  answerMs: 1,
  status: 200,
  serverTime: 1_000_000_000_000,
  sentAt: 1_000_000_000_490,
  answeredAt: 1_000_000_000_510,
};
type Way = 'lan' | 'direct' | 'relay' | 'tls' | 'none';

/** Other hosts, numbered from 2: how each is reached, and what the map says of it. */
function facts(
  changes: Partial<NetFacts> = {},
  ways: readonly Way[] = ['direct'],
  options: Record<number, HostOptions> = {},
): NetFacts {
  const hosts = meshOf(ways.length + 1, options).hosts.slice(1);
  const peers = hosts.map((host, i) => {
    const path = ways[i] ?? 'none';
    const isDirect = path === 'lan' || path === 'direct';
    return peerStatusSchema.parse({
      hostId: host.id,
      name: host.name,
      addresses: host.addresses,
      leases: host.leases,
      endpoint: path === 'none' ? null : '203.0.113.2:51820',
      handshakeAt: path === 'none' ? null : '2026-01-01T00:00:00.000Z',
      rxBytes: 0,
      txBytes: 0,
      path,
      via: path === 'relay' || path === 'tls' ? 'host-9' : null,
      pathSince: null,
      rttMs: path === 'none' ? null : 4,
      whyNotDirect: isDirect ? null : 'because',
      postQuantum: { state: 'none', since: null, why: 'it has not answered yet' },
      mtu: null,
      handshakeAgeSeconds: null,
      isGone: host.isGone,
    });
  });
  return {
    serverUrl: 'https://198.51.100.1:8443',
    server: { kind: 'answered', look },
    feed: { kind: 'connected', sinceAt: 0 },
    listenPort: 51820,
    ground: { canAsk: true, nat: 'none', endpoints: [own], isAnswered: true },
    reflector: { endpoint: observer, isAnswering: true },
    outside: { nat: 'none', mappedEndpoints: [] },
    sights: [{ observer, mapped: own, at: 0 }],
    defaultRoutes: new Set([4]),
    mtu: { linkMtu: 1500, pathMtu: 1500, isTold: true },
    tunnelMtu: 1420,
    isRelay: false,
    hosts,
    peers,
    ...changes,
  };
}

/** `check` or `check subject`, status, and all its words. */
function statuses(one: NetFacts): Map<string, string> {
  const result = judge(one);
  netcheckSchema.parse(result);
  assert.equal(result.isOk, !result.checks.some(({ status }) => status === 'fail'));
  for (const { status, todo, check } of result.checks) if (status === 'fail') assert.ok(todo !== null, check);
  return new Map(
    result.checks.map(({ check, subject, status, says, todo }) => [
      [check, subject].filter(Boolean).join(' '),
      `${status}: ${says} -> ${todo ?? ''}`,
    ]),
  );
}

const assertSays = (one: NetFacts, check: string, text: RegExp): void =>
  assert.match(statuses(one).get(check) ?? 'missing', text);

test('a host with nothing wrong has no warning and nothing to do', () => {
  for (const [check, text] of statuses(facts())) assert.match(text, /^ok: .* -> $/, check);
});

test('a server that is away fails, every other check is still there, and the clock is not judged', () => {
  const server = {
    kind: 'failed',
    error: new WarrenError('unreachable', 'cannot reach it: connect ECONNREFUSED'),
  } as const;
  const found = statuses(facts({ server, reflector: undefined }));
  assert.match(found.get('server') ?? '', /^fail: .*ECONNREFUSED.* -> see whether the server runs/);
  assert.match(found.get('clock') ?? '', /^warn: not known/);
  assert.deepEqual([...found.keys()], [...statuses(facts()).keys()]);
});

test('a name without an address, a strange certificate and one that is not valid yet have remedies of their own', () => {
  const failed = (code: 'unreachable' | 'server-untrusted', why: string): NetFacts =>
    facts({ server: { kind: 'failed', error: new WarrenError(code, why) } });
  assertSays(failed('unreachable', 'getaddrinfo ENOTFOUND x'), 'server', /mend DNS/);
  assertSays(failed('server-untrusted', 'self-signed'), 'server', /who answers there/);
  assertSays(failed('server-untrusted', 'certificate is not yet valid'), 'clock', /^fail: .*set the clock/);
});

test('a clock is judged by what is beyond the error of a header that is cut to seconds', () => {
  const at = (ms: number): NetFacts => {
    const shifted = { ...look, sentAt: look.sentAt + ms, answeredAt: look.answeredAt + ms };
    return facts({ server: { kind: 'answered', look: shifted } });
  };
  assert.deepEqual(offsetOf(look), { offsetMs: 0, errorMs: 510 });
  assertSays(at(900), 'clock', /^ok/);
  assertSays(at(20_000), 'clock', /^warn: .*20\.0 s ahead of.*NTP/);
  assertSays(at(-600_000), 'clock', /^fail: .*600\.0 s behind/);
});

test('UDP is judged by who answers: the reflector, peers without it, nobody, nobody there to ask', () => {
  const silent = { endpoint: observer, isAnswering: false };
  const unanswered = { ...facts().ground, isAnswered: false };
  assertSays(facts(), 'udp', /^ok/);
  assertSays(
    facts({ reflector: silent }),
    'udp',
    /^warn: .*peers answer.*let UDP to 198\.51\.100\.1:8443 in at the server/,
  );
  assertSays(facts({ reflector: undefined }), 'udp', /^ok/);
  assertSays(facts({ reflector: silent, ground: unanswered }), 'udp', /^fail: .*neither.*let UDP from port 51820 out/);
  assertSays(facts({ reflector: undefined, ground: unanswered }, []), 'udp', /^warn: .*nobody to ask/);
  const mute = { ...unanswered, canAsk: false };
  assertSays(facts({ reflector: undefined, ground: mute }), 'udp', /^warn: .*nftables.*1 of 1 peers had a handshake/);
});

test('a NAT is named with what others see, and a symmetric one with every port', () => {
  const [one, two] = ['203.0.113.1:1024', '203.0.113.1:1025'].map(parseEndpoint) as [typeof own, typeof own];
  const sights = [one, two].map((mapped) => ({ observer, mapped, at: 0 }));
  assertSays(facts({ outside: { nat: 'easy', mappedEndpoints: [one] } }), 'nat', /^ok: .*203\.0\.113\.1:1024/);
  assertSays(
    facts({ outside: { nat: 'easy', mappedEndpoints: [one] }, isRelay: true }),
    'nat',
    /^warn: .*WARREN_RELAY_PORTS/,
  );
  assertSays(
    facts({ outside: { nat: 'symmetric', mappedEndpoints: [] }, sights }),
    'nat',
    /^warn: .*1024, 203\.0\.113\.1:1025.*--endpoint/,
  );
  assertSays(facts({ outside: { nat: 'unknown', mappedEndpoints: [one] } }), 'nat', /^warn: .*second observer/);
});

test('a missing family matters only to a host that has peers with nothing else', () => {
  assertSays(facts(), 'ipv6', /^ok: none here, and no peer needs it/);
  assertSays(
    facts({}, ['none'], { 2: { endpoints: ['[2001:db8::2]:51820'] } }),
    'ipv6',
    /^warn: .*host-2 has nothing else/,
  );
  assertSays(facts({ defaultRoutes: new Set() }), 'ipv4', /^warn: .*no default route/);
  assertSays(facts({ ground: { ...facts().ground, endpoints: [] } }), 'ipv4', /^fail: .*no address/);
});

test('the path must hold what the tunnel makes of a packet of its own MTU', () => {
  const mtu = (pathMtu: number | undefined, isTold = true): NetFacts =>
    facts({ mtu: { linkMtu: 1500, pathMtu, isTold } });
  assertSays(mtu(1400), 'mtu', /^warn: .*1400.*needs 1500.*tunnel have 1320/);
  assertSays(mtu(undefined), 'mtu', /^warn: not known.*first link has 1500/);
  assertSays(mtu(1500, false), 'mtu', /^ok: .*nobody tells/);
});

test('a relay is reached or not, and only a host without any fails; one is missed where it is needed', () => {
  const two = { 2: { isRelay: true }, 3: { isRelay: true } };
  assertSays(facts({}, ['direct', 'none'], two), 'relay host-2', /^ok: reached: direct, 4 ms/);
  assertSays(facts({}, ['direct', 'none'], two), 'relay host-3', /^warn: not reached -> because/);
  assertSays(facts({}, ['relay', 'none'], two), 'relay host-2', /^fail: reached only by host-9/);
  assertSays(facts({}, ['tls', 'none'], two), 'relay host-2', /^warn: reached only over TLS, 4 ms.* -> because/);
  assertSays(facts({}, ['none'], { 2: { isRelay: true, isGone: true } }), 'relay host-2', /^warn: gone/);
  assertSays(facts({}, ['direct']), 'relay', /^ok/);
  assertSays(facts({}, ['direct', 'none']), 'relay', /^warn: no host is a relay -> .*--relay on/);
});

test('peers are counted by how they are reached, and those that are not direct are named', () => {
  assertSays(
    facts({}, ['lan', 'direct', 'relay', 'none']),
    'peers',
    /^warn: 1 by an own network, 1 direct, 1 by relay, 1 not reached -> .*host-4, host-5/,
  );
  assertSays(facts({}, ['direct', 'tls']), 'peers', /^warn: .*0 by relay, 1 over TLS, 0 not reached/);
  assertSays(facts({}, ['none']), 'peers', /^fail/);
  assertSays(facts({}, []), 'peers', /^ok: there are no others/);
});
