import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DesiredPeer } from '../../../agent/plan/desired.ts';
import {
  type EndpointMemory,
  chooseEndpoint,
  noEndpointMemory,
  trackEndpoints,
} from '../../../agent/plan/endpoints.ts';
import type { ObservedPeer } from '../../../agent/plan/observed.ts';
import { parseHostId, parseHostName } from '../../../shared/names.ts';
import { parseEndpoint } from '../../../shared/net/endpoint.ts';
import { parsePublicKey } from '../../../shared/wireguard.ts';
import { hostId, publicKeyOf } from '../../support/mesh-map.ts';

const publicKey = parsePublicKey(publicKeyOf(2));
const [a, b, c, roamed] = ['192.0.2.1:1', '192.0.2.2:1', '192.0.2.3:1', '198.51.100.9:4000'].map(parseEndpoint);

function wanted(...candidates: ReturnType<typeof parseEndpoint>[]): DesiredPeer {
  return {
    hostId: parseHostId(hostId(2)),
    name: parseHostName('host-2'),
    publicKey,
    allowedIps: [],
    keepaliveSeconds: 25,
    candidates,
    nearCount: 0,
    path: undefined,
    presharedKey: undefined,
  };
}

function seen(endpoint: ReturnType<typeof parseEndpoint> | undefined, handshakeAt = 0): ObservedPeer {
  const hasEndpoint = endpoint !== undefined;
  const zero = { rxBytes: 0, txBytes: 0, keepaliveSeconds: 25, allowedIps: [], presharedKeyId: undefined };
  return { publicKey, endpoint, hasEndpoint, handshakeAt, ...zero };
}

/** Runs the choice every `everyMs` without a handshake ever coming, and tells when which endpoint was set. */
function history(peer: DesiredPeer, seconds: number, everyMs = 1000): [number, string][] {
  let memory: EndpointMemory = noEndpointMemory;
  let endpoint: ReturnType<typeof parseEndpoint> | undefined;
  const set: [number, string][] = [];
  for (let now = 1_000_000; now < 1_000_000 + seconds * 1000; now += everyMs) {
    memory = trackEndpoints(memory, new Map([[publicKey, seen(endpoint)]]), now);
    const chosen = chooseEndpoint(peer, seen(endpoint), memory.get(publicKey), now);
    if (chosen === undefined) continue;
    endpoint = chosen;
    set.push([(now - 1_000_000) / 1000, chosen]);
  }
  return set;
}

test('a peer without an endpoint gets the best candidate at once', () => {
  assert.equal(chooseEndpoint(wanted(...[a, b].flatMap((e) => e ?? [])), undefined, undefined, 5), a);
});

test('a peer without candidates is left alone', () => {
  assert.equal(chooseEndpoint(wanted(), seen(roamed), undefined, 5), undefined);
});

test('an endpoint with a fresh handshake is never moved, whatever the candidates are', () => {
  const now = 10_000_000;
  const memory = { endpoint: roamed, triedAt: 0, tries: 9 };
  const peer = wanted(...[a, b].flatMap((e) => e ?? []));
  assert.equal(chooseEndpoint(peer, seen(roamed, now - 179_000), memory, now), undefined);
  assert.equal(chooseEndpoint(peer, seen(roamed, now - 181_000), memory, now), a);
});

test('an agent that has just started gives the endpoint it finds its time', () => {
  const peer = wanted(...[a, b].flatMap((e) => e ?? []));
  assert.equal(chooseEndpoint(peer, seen(a), undefined, 10_000_000), undefined);
});

test('candidates are tried in turn, each for 15 seconds, then each round takes twice as long', () => {
  const peer = wanted(...[a, b, c].flatMap((e) => e ?? []));
  const tries = history(peer, 160);
  assert.deepEqual(
    tries.map(([, endpoint]) => endpoint),
    [a, b, c, a, b, c, a],
  );
  const gaps = tries.slice(1).map(([at], i) => at - (tries[i]?.[0] ?? 0));
  assert.deepEqual(gaps, [16, 16, 16, 31, 31, 31]);
});

test('the only candidate is set once and then left to WireGuard', () => {
  assert.equal(history(wanted(...[a].flatMap((e) => e ?? [])), 3600).length, 1);
});

test('a fresh handshake clears what is remembered', () => {
  const now = 10_000_000;
  const memory = new Map([[publicKey, { endpoint: a, triedAt: 0, tries: 7 }]]);
  assert.equal(trackEndpoints(memory, new Map([[publicKey, seen(a, now - 1000)]]), now).size, 0);
});
