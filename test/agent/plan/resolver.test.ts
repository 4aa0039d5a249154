import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noLocalFacts } from '../../../agent/plan/local.ts';
import type { ObservedLink, ObservedResolver } from '../../../agent/plan/observed.ts';
import { desireResolver, planResolver, reverseDomain } from '../../../agent/plan/resolver.ts';
import { parseLink } from '../../../agent/system/resolved.ts';
import { parseAddress } from '../../../shared/net/address.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';

const gateways = ['10.210.1.1', 'fd00::1'].map(parseAddress);
const mesh = {
  domain: 'warren.internal',
  containerPools: [parseCidr('10.210.0.0/16'), parseCidr('fd00:86::/48')],
  overlayPools: [parseCidr('10.86.0.0/15')],
};
const wanted = desireResolver(mesh, gateways, true);
const link = { name: 'warren0', index: 12 } as ObservedLink;
const untold: ObservedResolver = { servers: [], domains: [], isDefaultRoute: false };

test("the mesh's names and its reverse names are asked at the gateway, and no others", () => {
  assert.deepEqual(wanted, {
    servers: gateways,
    domains: ['0.0.0.0.6.8.0.0.0.0.d.f.ip6.arpa', '210.10.in-addr.arpa', 'warren.internal'],
  });
  const [step] = planResolver(wanted, link, untold);
  assert.equal(step?.kind, 'resolver-set');
});

test('a host without resolved, without the tunnel or with all told gets no step', () => {
  assert.deepEqual(planResolver(wanted, link, undefined), []);
  assert.deepEqual(planResolver(wanted, undefined, untold), []);
  assert.ok(wanted !== undefined);
  assert.deepEqual(
    planResolver(wanted, link, { ...wanted, domains: wanted.domains.toReversed(), isDefaultRoute: false }),
    [],
  );
});

test('what somebody else told of the link is put right, the default route first of all', () => {
  assert.ok(wanted !== undefined);
  for (const seen of [
    { ...wanted, isDefaultRoute: true },
    { ...wanted, isDefaultRoute: false, servers: [parseAddress('192.0.2.1')] },
    parseLink([[[2, [10, 210, 1, 1]]], [['warren.internal', false]], false]),
  ])
    assert.equal(planResolver(wanted, link, seen)[0]?.kind, 'resolver-set');
});

test('an agent that serves no names takes back what it told, once', () => {
  assert.equal(desireResolver(mesh, gateways, noLocalFacts.resolvers !== undefined), undefined);
  assert.ok(wanted !== undefined);
  assert.equal(planResolver(undefined, link, { ...wanted, isDefaultRoute: false })[0]?.kind, 'resolver-clear');
  assert.deepEqual(planResolver(undefined, link, untold), []);
});

test('a prefix that ends within a label has no reverse domain', () => {
  assert.deepEqual(reverseDomain(parseCidr('10.86.0.0/15')), []);
  assert.deepEqual(reverseDomain(parseCidr('10.0.0.0/8')), ['10.in-addr.arpa']);
});

test('what resolved says of a link is read as it prints it', () => {
  const bytes6 = [0xfd, 0, 0, 0x86, ...Array.from({ length: 11 }, () => 0), 1];
  assert.deepEqual(
    parseLink([
      [
        [2, [10, 210, 1, 1]],
        [10, bytes6],
      ],
      [
        ['warren.internal', true],
        ['lan', false],
      ],
      true,
    ]),
    {
      servers: ['10.210.1.1', 'fd00:86::1'],
      domains: ['warren.internal', '!lan'],
      isDefaultRoute: true,
    },
  );
});
