import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeWorkloads } from '../../../agent/names/workloads.ts';
import { parseAddress } from '../../../shared/net/address.ts';
import { type Workload, parseLabel, parseSegmentName } from '../../../shared/workload.ts';

const workload = (name: string, address: string, segment?: string): Workload => ({
  name: parseLabel(name),
  services: [parseLabel('web')],
  addresses: [parseAddress(address)],
  ports: [],
  segment: segment === undefined ? null : parseSegmentName(segment),
  isHealthy: true,
  variables: [],
});

test('the first to have a name keeps it, and the other is told so', () => {
  const first = workload('db', '10.210.1.2');
  const { workloads, faults } = mergeWorkloads([[first], [workload('db', '10.210.1.3')]]);
  assert.deepEqual(workloads, [first]);
  assert.deepEqual(
    faults.map(({ subject }) => subject),
    ['db'],
  );
});

test('who comes after another of its name is in its segment all the same, under a name of its own, and in no service', () => {
  const { workloads, faults } = mergeWorkloads([
    [workload('db', '10.210.1.2')],
    [workload('db', '10.210.1.3', 'blue'), workload('db', '10.210.1.4', 'blue')],
  ]);
  const kept = workloads.filter(({ segment }) => segment === 'blue');
  assert.deepEqual(kept.flatMap(({ addresses }) => addresses).sort(), ['10.210.1.3', '10.210.1.4']);
  for (const { name, services } of kept) assert.deepEqual([name === 'db', services], [false, []]);
  assert.equal(faults.length, 2);
});

test('of the very same workload twice there is no third', () => {
  const twice = workload('db', '10.210.1.3', 'blue');
  const { workloads } = mergeWorkloads([[workload('db', '10.210.1.2'), twice, twice]]);
  assert.equal(workloads.length, 2);
});
