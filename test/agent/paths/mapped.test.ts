import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Sight, describeOutside } from '../../../agent/paths/mapped.ts';
import { parseEndpoint } from '../../../shared/net/endpoint.ts';

const own = new Set([parseEndpoint('192.168.1.2:51820')]);
const sight = (observer: string, mapped: string, at = 1000): Sight => ({
  observer: parseEndpoint(observer),
  mapped: parseEndpoint(mapped),
  at,
});
const now = 2000;

test('a host that nobody has seen does not know what it looks like', () => {
  assert.deepEqual(describeOutside([], own, now), { nat: 'unknown', mappedEndpoints: [] });
  const old = sight('192.0.2.1:1', '203.0.113.1:51820', 1000);
  assert.equal(describeOutside([old], own, 1000 + 181_000).nat, 'unknown');
});

test('a host that all see at its own address is behind no NAT', () => {
  const sights = [sight('192.168.1.3:1', '192.168.1.2:51820'), sight('192.168.1.4:1', '192.168.1.2:51820')];
  assert.deepEqual(describeOutside(sights, own, now), { nat: 'none', mappedEndpoints: [] });
});

test('a mapping that two see alike is an easy one; one sight alone is told and not yet judged', () => {
  const [a, b] = [sight('192.0.2.1:1', '203.0.113.1:51820'), sight('192.0.2.2:1', '203.0.113.1:51820')];
  const mappedEndpoints = ['203.0.113.1:51820'];
  assert.deepEqual(describeOutside([a, b], own, now), { nat: 'easy', mappedEndpoints });
  assert.deepEqual(describeOutside([a], own, now), { nat: 'unknown', mappedEndpoints });
});

test('an address with another port for each who looks is symmetric, and none of them is told', () => {
  const sights = [sight('192.0.2.1:1', '203.0.113.1:1024'), sight('192.0.2.2:1', '203.0.113.1:1025')];
  assert.deepEqual(describeOutside(sights, own, now), { nat: 'symmetric', mappedEndpoints: [] });
});
