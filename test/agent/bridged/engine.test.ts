import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineMembers } from '../../../agent/bridged/engine.ts';
import { type Network, networkSchema } from '../../../agent/docker/api.ts';
import { segmentSchema } from '../../../shared/workload.ts';

const segments = [
  segmentSchema.parse({ name: 'lan', kind: 'bridged', vni: 4097 }),
  segmentSchema.parse({ name: 'web', kind: 'routed', vni: null }),
];

function network(name: string, segment: string, bridge: string | undefined, driver = 'bridge'): Network {
  return networkSchema.parse({
    Id: 'a'.repeat(64),
    Name: name,
    Driver: driver,
    Labels: { 'warren.segment': segment },
    Options: bridge === undefined ? {} : { 'com.docker.network.bridge.name': bridge },
    EnableIPv6: false,
    IPAM: { Config: [] },
  });
}

test('a network with the label on the segment’s bridge is a member; on another bridge it is told which one to take', () => {
  const networks = [
    network('good', 'lan', 'wb-4097'),
    network('elsewhere', 'lan', undefined),
    network('routed', 'web', undefined),
    network('unknown', 'none', 'wb-4097'),
    network('strange', 'no name; at all', 'wb-4097'),
    network('overlay', 'lan', 'wb-4097', 'overlay'),
  ];
  const { members, faults } = engineMembers(networks, segments, { tableName: 'warren' });
  assert.deepEqual(members, [{ text: 'docker:good', segment: 'lan' }]);
  assert.deepEqual(
    faults.map(({ subject }) => subject),
    ['elsewhere'],
  );
  assert.match(faults[0]?.why ?? '', /-o com\.docker\.network\.bridge\.name=wb-4097$/);
});
