import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { describeEvent, diffReach, environmentOf, withEvent } from '../../../agent/hooks/events.ts';
import { type Reach, nothingReached, reachOf } from '../../../agent/hooks/reach.ts';
import { hostId, meshOf } from '../../support/mesh-map.ts';
import { facts } from './support.ts';

const place = { instance: 'default', hostName: 'host-1', interfaceName: 'warren0', bridgeName: 'warren-br' };
const all: Record<number, number> = { 2: 1, 3: 1, 4: 1, 5: 1 };
const lan = { prefix: '192.168.7.0/24', weight: 5 };
const withoutSix = (events: ReturnType<typeof diffReach>): string[] =>
  events.map(describeEvent).filter((text) => !text.includes(':'));

test('a host that comes up is told with its subnets, after the mesh itself', () => {
  const reach = reachOf(facts(meshOf(2, { 2: { subnets: [lan] } }), { 2: 1 }));
  assert.deepEqual(withoutSix(diffReach(nothingReached, reach)), [
    'warren-up of host-1',
    'subnet-up of 10.210.1.0/24 at host-1',
    'host-up of host-2',
    'subnet-up of 10.210.2.0/24 at host-2',
    'subnet-up of 192.168.7.0/24 at host-2',
  ]);
});

test('the end of the mesh tells of hosts before their subnets, and of itself last', () => {
  const reach = reachOf(facts(meshOf(2), { 2: 1 }));
  assert.deepEqual(withoutSix(diffReach(reach, nothingReached)), [
    'host-down of host-2',
    'subnet-down of 10.210.2.0/24 at host-2',
    'subnet-down of 10.210.1.0/24 at host-1',
    'warren-down of host-1',
  ]);
});

test('a subnet that moves is told as gone before it is told as come', () => {
  const map = meshOf(3, { 2: { subnets: [lan] }, 3: { subnets: [{ ...lan, weight: 9 }] } });
  const moved = meshOf(3, { 2: { subnets: [lan], isGone: true }, 3: { subnets: [{ ...lan, weight: 9 }] } });
  assert.deepEqual(diffReach(reachOf(facts(map, all)), reachOf(facts(moved, all))).map(describeEvent), [
    'subnet-down of 192.168.7.0/24 at host-2',
    'subnet-up of 192.168.7.0/24 at host-3',
  ]);
});

test('an address that a host roamed to is no event', () => {
  const map = meshOf(2);
  const before = reachOf(facts(map, all));
  const hosts = before.hosts.map((host) => ({ ...host, endpoint: null }));
  assert.deepEqual(diffReach(before, { ...before, hosts }), []);
});

test('a host of another name is another host', () => {
  const before = reachOf(facts(meshOf(2), all));
  const self = { ...before.self, name: 'other' } as NonNullable<Reach['self']>;
  const events = diffReach(before, { ...before, self }).map((event) => event.hook);
  assert.equal(events.filter((hook) => hook === 'warren-up' || hook === 'warren-down').join(), 'warren-down,warren-up');
});

test("variables are tinc's, and ours under our own names", () => {
  const [, ...events] = diffReach(nothingReached, reachOf(facts(meshOf(2, { 2: { subnets: [lan] } }), all)));
  const of = (text: string) => {
    const event = events.find((one) => describeEvent(one) === text);
    assert.ok(event !== undefined, text);
    return environmentOf(event, place);
  };
  assert.deepEqual(of('host-up of host-2'), {
    NETNAME: 'default',
    NAME: 'host-1',
    INTERFACE: 'warren0',
    NODE: 'host-2',
    REMOTEADDRESS: '198.51.100.2',
    REMOTEPORT: '40000',
    WARREN_INSTANCE: 'default',
    WARREN_EVENT: 'host-up',
    WARREN_BRIDGE: 'warren-br',
    WARREN_HOST_ID: hostId(2),
    WARREN_ADDRESSES: '10.86.0.2 fd00:86::2',
  });
  const { SUBNET, WEIGHT, WARREN_SUBNET_KIND } = of('subnet-up of 192.168.7.0/24 at host-2');
  assert.deepEqual([SUBNET, WEIGHT, WARREN_SUBNET_KIND], ['192.168.7.0/24', '5', 'advertised']);
  const lease = of('subnet-up of 10.210.2.0/24 at host-2');
  assert.deepEqual([lease['WEIGHT'], lease['WARREN_SUBNET_KIND']], [undefined, 'lease']);
});

test('of itself a host tells no NODE and no remote address', () => {
  const [first] = diffReach(nothingReached, reachOf(facts(meshOf(1), {})));
  assert.ok(first !== undefined);
  const { NODE, REMOTEADDRESS, NAME } = environmentOf(first, place);
  assert.deepEqual([NODE, REMOTEADDRESS, NAME], [undefined, undefined, 'host-1']);
});

const someReach = fc
  .record({
    isMember: fc.boolean(),
    up: fc.subarray([2, 3, 4, 5]),
    carriers: fc.subarray([1, 2, 3, 4]),
    gone: fc.subarray([2, 3]),
    weight: fc.constantFrom(5, 6),
  })
  .map(({ isMember, up, carriers, gone, weight }): Reach => {
    const options = [1, 2, 3, 4].map((n) => ({
      subnets: carriers.includes(n) ? [{ prefix: '192.168.7.0/24', weight: weight + n }] : [],
      isGone: gone.includes(n),
    }));
    const [one = {}, two = {}, three = {}, four = {}] = options;
    const map = meshOf(5, { 1: one, 2: two, 3: three, 4: four });
    const ages = Object.fromEntries(up.map((n) => [n, 1]));
    const facing = facts(map, ages);
    return reachOf({ ...facing, desired: { ...facing.desired, isMember } });
  });

const sorted = ({ self, hosts, subnets }: Reach): unknown => [
  self,
  hosts.toSorted((a, b) => a.name.localeCompare(b.name)),
  subnets.toSorted((a, b) => `${a.prefix} ${a.owner.name}`.localeCompare(`${b.prefix} ${b.owner.name}`)),
];

test('law: telling all events leads from what was told to what is reached, and then nothing is left to tell', () => {
  fc.assert(
    fc.property(someReach, someReach, (before, after) => {
      const told = diffReach(before, after).reduce(withEvent, before);
      assert.deepEqual(sorted(told), sorted(after));
      assert.deepEqual(diffReach(told, after), []);
    }),
  );
});

test('law: stopping after any event and going on from there tells each one once', () => {
  fc.assert(
    fc.property(someReach, someReach, fc.nat({ max: 30 }), (before, after, count) => {
      const events = diffReach(before, after);
      const first = events.slice(0, count);
      const rest = diffReach(first.reduce(withEvent, before), after);
      assert.deepEqual([...first, ...rest].map(describeEvent).sort(), events.map(describeEvent).sort());
    }),
  );
});

test('law: nothing is told as up before the mesh is, nor as down after it', () => {
  fc.assert(
    fc.property(someReach, someReach, (before, after) => {
      const hooks = diffReach(before, after).map((event) => event.hook);
      const [begin, end] = [hooks.indexOf('warren-up'), hooks.indexOf('warren-down')];
      if (begin !== -1) assert.ok(hooks.slice(0, begin).every((hook) => hook.endsWith('-down')));
      if (end !== -1) assert.ok(hooks.slice(end + 1).every((hook) => hook.endsWith('-up')));
    }),
  );
});
