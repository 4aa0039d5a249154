import assert from 'node:assert/strict';
import { tableText } from '../../../agent/plan/nft-table.ts';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { advanceByDelta, advanceToMap } from '../../../agent/advance.ts';
import { observe } from '../../../agent/observe.ts';
import { desire } from '../../../agent/plan/desire.ts';
import type { Observed } from '../../../agent/plan/observed.ts';
import { pointOf, indexRanges, rangeOf } from '../../../agent/plan/ranges.ts';
import { plan } from '../../../agent/plan/plan.ts';
import { WarrenError } from '../../../shared/errors.ts';
import type { Cidr } from '../../../shared/net/cidr.ts';
import { parseAddress } from '../../../shared/net/address.ts';
import type { NetworkMap } from '../../../shared/network-map.ts';
import { createSseReader, decodeFrame } from '../../../shared/protocol.ts';
import { fakeHost, settingsOf } from '../../support/agent-fixture.ts';
import { hostId, meshOf, publicKeyOf } from '../../support/mesh-map.ts';
import { noLocalFacts } from '../../../agent/plan/local.ts';

/** A server gone mad, or somebody with its key: what it says is parsed, and what it claims is checked, on every host. */
const settings = settingsOf(1, { serverAddress: parseAddress('203.0.113.5') });
const lan = '192.0.2.1/24';
const good = meshOf(5, { 3: { subnets: [{ prefix: '192.168.3.0/24', weight: 10 }] } });
let observed: Observed;

before(async () => {
  observed = await observe(fakeHost({ addresses: [lan] }).system, settings, [], 1_000_000_000_000);
});

type Path = readonly (string | number)[];

const nasty = fc.oneof(
  fc.constantFrom<unknown>(
    'web1\n[Peer]\nAllowedIPs=0.0.0.0/0',
    ...'a"; flush ruleset; #|-rf|WEB|wéb|a\0b'.split('|'),
    'x'.repeat(70_000),
    ...'0.0.0.0/0 ::/0 10.86.0.0/16 192.0.2.0/24 192.0.2.1/32 10.1.2.3/8 010.0.0.0/8 10.86.0.2/32'.split(' '),
    ...'10.210.2.0/24 10.210.2.128/25 10.210.0.0/15 203.0.113.0/24 192.0.2.3/32 127.0.0.0/8 224.0.0.0/4'.split(' '),
    ...'10.86.0.1 10.86.0.2 192.0.2.1 127.0.0.1 0.0.0.0 ::ffff:10.0.0.1 fe80::1'.split(' '),
    ...'vpn.example.org:51820 192.0.2.3:0 192.0.2.3:70000 192.0.2.3 [::1]:1'.split(' '),
    ...[1, 2].map(publicKeyOf),
    `${'A'.repeat(43)}=`,
    `AQ${'A'.repeat(41)}=`,
    ...[1, 2].map(hostId),
    ...'h __proto__ ../x'.split(' '),
    null,
    true,
    0,
    -1,
    1.5,
    [],
    {},
    [[]],
    '',
  ),
  fc.string(),
  fc.jsonValue({ maxDepth: 2 }),
);
const change = fc.record({ at: fc.nat(), to: nasty, how: fc.constantFrom('set', 'drop', 'double', 'extra') });

/** Every place in a JSON value. */
function placesOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => placesOf(inner, [...path, key]))];
}

/** The number under which `spoil` knows a place of the good map. */
const placeOf = (...path: string[]): number =>
  placesOf(good)
    .slice(1)
    .findIndex((place) => place.join() === path.join());

function spoil(value: unknown, { at, to, how }: { at: number; to: unknown; how: string }): unknown {
  const places = placesOf(value).slice(1);
  const path = places[at % places.length] ?? [];
  const copy = structuredClone(value);
  let holder = copy as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) holder = holder[key] as Record<string | number, unknown>;
  const last = path.at(-1) ?? '';
  if (how === 'set') holder[last] = to;
  else if (how === 'extra') holder['extra'] = to;
  else if (how === 'double' && Array.isArray(holder)) holder.push(structuredClone(holder[Number(last)]));
  else if (Array.isArray(holder)) holder.splice(Number(last), 1);
  else delete holder[last];
  return copy;
}

/** What stands in a desired state whatever the map says. */
function checkSafe(map: NetworkMap): void {
  const { desired, refusals } = desire(
    { map: map, settings: settings, attachments: [], local: noLocalFacts },
    observed,
  );
  plan(desired, observed);
  const carried = [...desired.peers.values()].flatMap(({ hostId: owner, allowedIps }) =>
    allowedIps.map((prefix) => ({ owner, prefix })),
  );
  assert.equal(desired.peers.has(settings.publicKey), false, 'the own key became a peer');
  assert.equal(new Set(carried.map(({ prefix }) => prefix)).size, carried.length, 'a prefix on two peers');
  const routed = indexRanges([...desired.routes.keys(), ...carried.map(({ prefix }) => prefix)], rangeOf);
  for (const address of ['192.0.2.1', '203.0.113.5', '127.0.0.1', '224.0.0.1']) {
    assert.equal(routed.overlap(pointOf(parseAddress(address))), undefined, `${address} went into the tunnel`);
  }
  const claimed = new Map(
    map.hosts.map((host) => [
      host.id,
      new Set<string>([
        ...host.addresses.map((address) => `${address}/${address.includes(':') ? 128 : 32}`),
        ...host.leases,
        ...host.subnets.map((subnet) => subnet.prefix),
      ]),
    ]),
  );
  for (const { owner, prefix } of carried) assert.ok(claimed.get(owner)?.has(prefix), `${prefix} was not ${owner}'s`);
  for (const { prefix } of carried) {
    if (refusals.every((one) => one.subject !== prefix)) continue;
    const claims = map.hosts.filter((host) => claimed.get(host.id)?.has(prefix));
    assert.ok(claims.length > 1, `${prefix} is refused and applied`);
  }
  assert.match(tableText(desired.table), /^[\w\s{}"@!=;:.,/<>-]*$/, 'a stranger text in the rules');
  for (const { why } of refusals) assert.match(why, /^\P{Cc}+$/u);
}

/** A frame as it comes off the wire, to the map it makes. */
function receive(event: string, json: string): void {
  const read = createSseReader();
  for (const one of read(`event: ${event}\ndata: ${json}\n\n`)) {
    const frame = decodeFrame(one);
    if (frame.kind === 'map') {
      const advance = advanceToMap(undefined, frame.map);
      if (advance.kind === 'map') checkSafe(advance.map);
    } else if (frame.kind === 'delta') {
      const advance = advanceByDelta(good, frame.delta);
      if (advance.kind === 'map') checkSafe(advance.map);
    }
  }
}

function onlyWarrenErrors(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (error instanceof WarrenError) assert.match(error.message, /^\P{Cc}*$/u);
    else throw error;
  }
}

test('a frame spoiled in any place is refused with a reason, or what it claims wrongly is', () => {
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), fc.boolean(), (changes, isDelta) => {
      const { epoch, hosts, mesh } = good;
      const delta = { epoch, from: 1, revision: 2, upserts: hosts, removes: [hostId(5)], mesh };
      const spoiled = changes.reduce<unknown>((value, one) => spoil(value, one), isDelta ? delta : good);
      onlyWarrenErrors(() => receive(isDelta ? 'delta' : 'map', JSON.stringify(spoiled)));
    }),
    {
      numRuns: 1500,
      examples: [[[{ at: placeOf('hosts', '0', 'leases', '0'), to: '10.86.0.2/32', how: 'set' }], false]],
    },
  );
});

test('text that is no frame is refused, and nothing but WarrenError is thrown', () => {
  const json = JSON.stringify(good);
  fc.assert(
    fc.property(fc.nat(json.length), fc.string({ maxLength: 20 }), (at, noise) => {
      onlyWarrenErrors(() => receive('map', json.slice(0, at) + noise + json.slice(at + noise.length)));
      onlyWarrenErrors(() => receive(noise, json.slice(0, at)));
      onlyWarrenErrors(() => createSseReader()(`${noise}\n\n${json.slice(0, at)}\n\n`).map(decodeFrame));
    }),
    { numRuns: 500, examples: [[552, '\r']] },
  );
});

test('an event that never ends is left at 64 MiB, long before memory is', () => {
  const read = createSseReader();
  const chunk = 'x'.repeat(1024 * 1024);
  assert.throws(() => {
    for (let i = 0; i < 80; i += 1) read(chunk);
  }, /longer than 64 MiB/);
});

const claims: [string, Parameters<typeof meshOf>[1], Cidr | string][] = [
  ["another host's lease", { 3: { leases: ['10.210.2.0/24'] } }, '10.210.2.0/24'],
  ["half of another host's lease", { 3: { leases: ['10.210.2.128/25'] } }, '10.210.2.128/25'],
  ["this host's own lease", { 3: { leases: ['10.210.1.0/24'] } }, '10.210.1.0/24'],
  ["the host's own LAN", { 3: { subnets: [{ prefix: '192.0.2.0/24', weight: 1 }] } }, '192.0.2.0/24'],
  ["the server's network", { 3: { subnets: [{ prefix: '203.0.113.0/24', weight: 1 }] } }, '203.0.113.0/24'],
  ['a lease of multicast', { 3: { leases: ['224.0.0.0/4'] } }, '224.0.0.0/4'],
  ['an address of loopback', { 3: { addresses: ['127.0.0.1'] } }, '127.0.0.1/32'],
  ['a default route', { 3: { subnets: [{ prefix: '0.0.0.0/0', weight: 1 }] } }, '0.0.0.0/0'],
];

for (const [what, options, prefix] of claims) {
  test(`a host that claims ${what} does not get it, the reason is told, and the others are applied`, () => {
    const map = meshOf(5, options);
    const { desired, refusals } = desire(
      { map: map, settings: settings, attachments: [], local: noLocalFacts },
      observed,
    );
    const third = desired.peers.get(map.hosts[2]?.publicKey ?? settings.publicKey);
    assert.equal(third?.allowedIps.includes(prefix as Cidr), false);
    assert.ok(refusals.some((one) => one.subject === prefix && one.why.length > 20));
    const fourth = desired.peers.get(map.hosts[3]?.publicKey ?? settings.publicKey);
    assert.equal(fourth?.allowedIps.length, 4);
  });
}
