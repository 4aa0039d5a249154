import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAddress } from '../../../shared/net/address.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { type Endpoint, parseEndpoint } from '../../../shared/net/endpoint.ts';
import { natSchema } from '../../../shared/network-map.ts';
import { dropMeshEndpoints, observeEndpoint, rankEndpoints } from '../../../server/discovery/endpoints.ts';

const pools = [parseCidr('10.86.0.0/16'), parseCidr('fd00::/64')];
const anyNat = fc.constantFrom(...natSchema.options);
const some = fc.array(fc.nat(15).map((n) => parseEndpoint(`192.0.2.${n + 1}:51820`)));

test('declared endpoints come first, then mapped, then what the server guesses, then local, each once', () => {
  const [a, b, c, d] = ['192.0.2.1:1', '192.0.2.2:1', '[2001:db8::3]:1', '192.0.2.4:1'].map(parseEndpoint) as [
    Endpoint,
    Endpoint,
    Endpoint,
    Endpoint,
  ];
  const candidates = { declared: [b], mapped: [d, b], observed: [c, b], local: [a, c] };
  assert.deepEqual(rankEndpoints(candidates, 'easy'), [b, d, c, a]);
});

test('what one peer saw of a host behind a symmetric NAT is not told to the others', () => {
  const [mapped, observed] = ['192.0.2.1:7', '192.0.2.1:51820'].map(parseEndpoint) as [Endpoint, Endpoint];
  const candidates = { declared: [], mapped: [mapped], observed: [observed], local: [] };
  assert.deepEqual(rankEndpoints(candidates, 'symmetric'), [observed]);
  assert.deepEqual(rankEndpoints(candidates, 'unknown'), [mapped, observed]);
});

test('a host tells at most sixteen endpoints, none twice, none made up, and never drops the best', () => {
  fc.assert(
    fc.property(some, some, some, some, anyNat, (declared, mapped, observed, local, nat) => {
      const ranked = rankEndpoints({ declared, mapped, observed, local }, nat);
      const all = [...declared, ...(nat === 'symmetric' ? [] : mapped), ...observed, ...local];
      assert.ok(ranked.length <= 16);
      assert.equal(new Set(ranked).size, ranked.length);
      assert.ok(ranked.every((endpoint) => all.includes(endpoint)));
      assert.equal(ranked[0], all[0]);
    }),
  );
});

test('a call from the same machine or from inside the mesh tells no endpoint', () => {
  for (const address of ['127.0.0.1', '::1', 'fe80::1', '10.86.3.4', 'fd00::7']) {
    assert.equal(observeEndpoint(parseAddress(address), 51820, pools), undefined, address);
  }
  assert.equal(observeEndpoint(parseAddress('198.51.100.7'), 51820, pools), '198.51.100.7:51820');
  assert.equal(observeEndpoint(parseAddress('2001:db8::7'), 4711, pools), '[2001:db8::7]:4711');
});

test('endpoints inside the mesh are dropped', () => {
  const endpoints = ['10.86.0.1:51820', '192.0.2.1:51820', '[fd00::1]:51820', '[fd01::1]:51820'].map(parseEndpoint);
  assert.deepEqual(dropMeshEndpoints(endpoints, pools), ['192.0.2.1:51820', '[fd01::1]:51820']);
});
