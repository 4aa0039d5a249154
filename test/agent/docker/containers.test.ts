import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Seen, readContainer } from '../../../agent/docker/containers.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { workloadSchema } from '../../../shared/workload.ts';
import { type Written, container, idOf, network } from './support.ts';

const own = [parseCidr('10.210.1.0/24'), parseCidr('fd00:1::/64')];
const blue = network('blues', { Labels: { 'warren.segment': 'blue' } });
const read = (written: Written): Seen =>
  readContainer(container(written), { own, networks: new Map([[blue.Name, blue]]) });

test('a container has its name, both addresses, what it exposes and what others call it', () => {
  const { workload, faults } = read({
    name: 'Shop_1',
    address: '10.210.1.130',
    address6: 'fd00:1::1:2',
    aliases: ['till', 'shop', idOf('Shop_1').slice(0, 12)],
    labels: { 'com.docker.compose.service': 'shop', 'warren.service': 'front, Till' },
    exposed: ['443/tcp', '53/udp', '80/tcp', '7/sctp', '70000/tcp'],
  });
  assert.deepEqual(faults, []);
  assert.deepEqual(workload, {
    name: 'shop_1',
    services: ['shop', 'front', 'till'],
    addresses: ['10.210.1.130', 'fd00:1::1:2'],
    ports: [
      { port: 80, protocol: 'tcp' },
      { port: 443, protocol: 'tcp' },
      { port: 53, protocol: 'udp' },
    ],
    segment: null,
    isHealthy: true,
    variables: [],
  });
});

for (const state of [{ Running: false }, { Paused: true }, { Restarting: true }, { Dead: true }]) {
  test(`a container whose state is ${JSON.stringify(state)} is not there`, () => {
    assert.equal(read({ name: 'db', state }).workload, undefined);
  });
}

test('a container without an address of this host is none of the mesh', () => {
  for (const address of ['', '172.17.0.2', '10.210.2.7', 'nonsense']) {
    assert.deepEqual(read({ name: 'db', address }), { workload: undefined, faults: [] });
  }
});

test('a container is healthy without a check and with one that passes, not while it starts', () => {
  const health = (Status: string): boolean | undefined =>
    read({ name: 'db', state: { Health: { Status } } }).workload?.isHealthy;
  assert.deepEqual(['none', 'healthy', 'starting', 'unhealthy'].map(health), [true, true, false, false]);
});

test('only variables that the label names are shared, and never PATH or HOME', () => {
  const env = ['PATH=/bin', 'HOME=/root', 'PORT=5', 'PASSWORD=secret', 'EMPTY=', 'broken'];
  const shared = (named?: string): unknown =>
    read({ name: 'db', env, ...(named === undefined ? {} : { labels: { 'warren.env': named } }) }).workload?.variables;
  assert.deepEqual(shared(), []);
  assert.deepEqual(shared('PORT, PATH'), [{ name: 'PORT', value: '5' }]);
  assert.deepEqual(shared('*'), [
    { name: 'PORT', value: '5' },
    { name: 'PASSWORD', value: 'secret' },
    { name: 'EMPTY', value: '' },
  ]);
});

test("a container's own label says its segment, else its network does; a wrong one opens nothing", () => {
  const segment = (written: Omit<Written, 'name'>): string | null | undefined =>
    read({ name: 'db', ...written }).workload?.segment;
  assert.equal(segment({ network: 'blues' }), 'blue');
  assert.equal(segment({ network: 'blues', labels: { 'warren.segment': 'red' } }), 'red');
  assert.equal(segment({ network: 'blues', labels: { 'warren.segment': 'Not; one' } }), 'refused');
});

test('a container whose name is no DNS label is called after its id, and is in its segment', () => {
  const { workload, faults } = read({ name: 'a.b', labels: { 'warren.segment': 'blue' } });
  assert.match(workload?.name ?? '', /^c-[0-9a-f]{12}$/);
  assert.equal(workload?.segment, 'blue');
  assert.match(faults[0]?.why ?? '', /no DNS label/);
  assert.equal(faults[0]?.subject, 'a.b');
});

test('whatever is written on a container, what comes of it is a workload that the server takes', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[a-z0-9_,.=*-]{0,70}$/));
  fc.assert(
    fc.property(
      text,
      fc.array(text),
      fc.array(text),
      text,
      text,
      text,
      (name, aliases, env, segment, label, composed) => {
        const { workload } = read({
          name: name || 'x',
          aliases,
          env,
          labels: {
            'warren.segment': segment,
            'warren.service': label,
            'warren.env': label,
            'com.docker.compose.service': composed,
          },
          exposed: aliases,
        });
        if (workload !== undefined) workloadSchema.parse(workload);
      },
    ),
  );
});
