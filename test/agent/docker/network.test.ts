import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Network } from '../../../agent/docker/api.ts';
import { createBody, planNetwork } from '../../../agent/docker/network.ts';
import { parseAddress } from '../../../shared/net/address.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { network, wanted } from './support.ts';

interface Body {
  readonly Labels: Record<string, string>;
  readonly Options: Record<string, string>;
  readonly IPAM: { readonly Config: readonly Record<string, unknown>[] };
}
const bodyOf = (want = wanted, taken: readonly string[] = []): Body =>
  createBody(want, taken.map(parseAddress)) as Body;
/** What the engine shows once it took the body. */
const made = (want = wanted): Network => network('warren', { ...bodyOf(want), EnableIPv6: true });
const kinds = (found: readonly Network[], users = 0, want = wanted): string[] =>
  planNetwork(want, found, users).steps.map(({ kind }) => kind);

test('a missing network is made, and what was made needs nothing', () => {
  assert.deepEqual(kinds([]), ['network-create']);
  assert.deepEqual(planNetwork(wanted, [made()], 0), { steps: [], refusal: undefined });
});

test('the engine gives out the upper half of the IPv4 lease, and IPv6 addresses beyond every slot', () => {
  assert.deepEqual(
    bodyOf().IPAM.Config.map(({ IPRange, Gateway }) => [IPRange, Gateway]),
    [
      ['10.210.1.128/25', '10.210.1.1'],
      ['fd00:1::1:0/112', 'fd00:1::1'],
    ],
  );
});

test('addresses that somebody holds already are kept from the engine, each in its own family', () => {
  const [v4, v6] = bodyOf(wanted, ['10.210.1.9', '10.210.1.200', 'fd00:1::c8', 'fd00:1::1:7']).IPAM.Config;
  assert.deepEqual(Object.values(v4?.['AuxiliaryAddresses'] ?? {}), ['10.210.1.200']);
  assert.deepEqual(Object.values(v6?.['AuxiliaryAddresses'] ?? {}), ['fd00:1::1:7']);
});

test("a network of somebody else's under the same name is left alone, with what to do", () => {
  for (const labels of [{}, { 'warren.host': 'h_another' }]) {
    const { steps, refusal } = planNetwork(wanted, [network('warren', { Labels: labels })], 0);
    assert.deepEqual(steps, []);
    assert.match(refusal ?? '', /WARREN_DOCKER_NETWORK/);
  }
});

test('another lease makes the network anew when nobody uses it, else says who must go first', () => {
  const moved = { ...wanted, leases: [parseCidr('10.210.9.0/24')] };
  assert.deepEqual(kinds([made()], 0, moved), ['network-remove', 'network-create']);
  const { steps, refusal } = planNetwork(moved, [made()], 3);
  assert.deepEqual(steps, []);
  assert.match(refusal ?? '', /its 3 containers/);
});

test('another MTU waits until nobody uses the network', () => {
  const smaller = { ...wanted, mtu: 1280 };
  assert.deepEqual(planNetwork(smaller, [made()], 1), { steps: [], refusal: undefined });
  assert.deepEqual(kinds([made()], 0, smaller), ['network-remove', 'network-create']);
});

test('an engine that writes nftables itself is told to let the mesh in, and only the mesh', () => {
  const nftables = { ...wanted, firewall: 'nftables' as const };
  const { 'com.docker.network.driver.mtu': mtu, ...options } = bodyOf(nftables).Options;
  assert.equal(mtu, String(wanted.mtu));
  assert.deepEqual(options, {
    'com.docker.network.bridge.name': 'warren-br',
    'com.docker.network.bridge.enable_ip_masquerade': 'false',
    'com.docker.network.bridge.trusted_host_interfaces': 'warren0',
    'com.docker.network.bridge.gateway_mode_ipv4': 'nat-unprotected',
    'com.docker.network.bridge.gateway_mode_ipv6': 'nat-unprotected',
  });
  assert.deepEqual(planNetwork(nftables, [made(nftables)], 0), { steps: [], refusal: undefined });
});

test('an engine that writes nftables since a restart needs the network anew; one that writes iptables again does not', () => {
  const nftables = { ...wanted, firewall: 'nftables' as const };
  assert.deepEqual(kinds([made()], 0, nftables), ['network-remove', 'network-create']);
  assert.match(planNetwork(nftables, [made()], 2).refusal ?? '', /lets nothing in by warren0.*its 2 containers/);
  assert.deepEqual(kinds([made(nftables)], 2), []);
});

test('without a lease, or before the bridge is there, nothing is made', () => {
  assert.deepEqual(kinds([], 0, { ...wanted, leases: [] }), []);
  assert.deepEqual(planNetwork(undefined, [], 0).steps, []);
});
