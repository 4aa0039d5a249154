import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Reach, nothingReached, reachOf, reachSchema } from '../../../agent/hooks/reach.ts';
import { meshOf, networkMap } from '../../support/mesh-map.ts';
import { facts } from './support.ts';

const names = ({ hosts }: Reach): string[] => hosts.map((host) => host.name);
const subnets = ({ subnets: all }: Reach): string[] =>
  all.filter(({ prefix }) => !prefix.includes(':')).map((one) => `${one.prefix} ${one.owner.name} ${one.weight}`);

test('a host counts as reached while its handshake is fresh', () => {
  const reach = reachOf(facts(meshOf(4), { 2: 3, 3: 179, 4: 181 }));
  assert.deepEqual(names(reach), ['host-2', 'host-3']);
  assert.equal(reach.hosts[0]?.endpoint, '198.51.100.2:40000');
  assert.equal(reach.self?.name, 'host-1');
});

test('its container subnets and those it carries come with it, its own addresses do not', () => {
  const shared = { prefix: '192.168.7.0/24', weight: 5 };
  const map = meshOf(3, { 2: { subnets: [shared] }, 3: { subnets: [{ ...shared, weight: 9 }] } });
  assert.deepEqual(subnets(reachOf(facts(map, { 2: 1, 3: 1 }))), [
    '10.210.1.0/24 host-1 null',
    '10.210.2.0/24 host-2 null',
    '192.168.7.0/24 host-2 5',
    '10.210.3.0/24 host-3 null',
  ]);
});

test('what this host carries itself is reached without any handshake', () => {
  const map = meshOf(1, { 1: { subnets: [{ prefix: '192.168.7.0/24', weight: 5 }] } });
  assert.deepEqual(subnets(reachOf(facts(map, {}))), ['10.210.1.0/24 host-1 null', '192.168.7.0/24 host-1 5']);
});

test('a host that is not in the mesh reaches nothing, not even itself', () => {
  const all = facts(meshOf(2), { 2: 1 });
  assert.deepEqual(reachOf({ ...all, desired: { ...all.desired, isMember: false } }), nothingReached);
  assert.deepEqual(reachOf({ ...all, map: networkMap([]) }), nothingReached);
});

test('without keepalive a silent peer keeps its standing, once it had one', () => {
  const map = meshOf(2);
  const before = reachOf(facts(map, { 2: 1 }));
  assert.deepEqual(names(reachOf(facts(map, { 2: 4000 }, { keepaliveSeconds: 0, before }))), ['host-2']);
  assert.deepEqual(names(reachOf(facts(map, { 2: 4000 }, { keepaliveSeconds: 0 }))), []);
  assert.deepEqual(names(reachOf(facts(map, {}, { keepaliveSeconds: 0, before }))), []);
  assert.deepEqual(names(reachOf(facts(map, { 2: 4000 }, { before }))), []);
});

test('what this host found of a peer goes before the age of its handshake', () => {
  const map = meshOf(4);
  const [, two, three, four] = map.hosts.map((host) => host.publicKey);
  assert.ok(two !== undefined && three !== undefined && four !== undefined);
  const liveness = new Map([[two, 'dead'] as const, [three, 'alive'] as const, [four, 'alive'] as const]);
  // The fourth one answers, but its tunnel never did.
  assert.deepEqual(names(reachOf(facts(map, { 2: 3, 3: 4000 }, { liveness }))), ['host-3']);
});

test('what is reached survives being written down', () => {
  const map = meshOf(3, { 2: { subnets: [{ prefix: '192.168.7.0/24', weight: 5 }] } });
  const reach = reachOf(facts(map, { 2: 1, 3: 1 }));
  assert.deepEqual(reachSchema.parse(JSON.parse(JSON.stringify(reach))), reach);
});
