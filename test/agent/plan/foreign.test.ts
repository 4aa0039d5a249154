import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planForeign } from '../../../agent/plan/foreign.ts';
import type { IptablesWish } from '../../../agent/plan/iptables.ts';
import type { ForeignTable } from '../../../agent/plan/observed.ts';
import { parseChains } from '../../../agent/system/foreign.ts';

const wish: IptablesWish = {
  mark: 'warren:h1',
  tunnel: 'warren0',
  bridges: ['warren-br'],
  segmentBridges: [],
  prefixes: [],
  outside: ['eth0'],
  listenPort: 51820,
  hasEngine: false,
  publishedMark: '0x08000000',
};

const tableOf = (text: string, hook: 'input' | 'forward'): ForeignTable => ({
  family: 'inet',
  name: 'filter',
  drops: [{ chain: hook, hook }],
  text,
});

const whyOf = (table: ForeignTable): string =>
  planForeign(wish, [table])
    .map(({ subject, why }) => `${subject}: ${why}`)
    .join('\n');

test('a chain that drops what passes is named, with what to add, until its table speaks of the tunnel', () => {
  const shut = 'chain forward {\n type filter hook forward priority filter; policy drop;\n}';
  const why = whyOf(tableOf(shut, 'forward'));
  assert.match(why, /^inet filter forward: it drops what passes between the mesh and containers/);
  assert.match(why, /insert rule inet filter forward iifname \{ "warren0", "warren-br" \} accept/);
  assert.ok(why.length < 512, 'a report cuts what is longer');
  for (const rule of ['iifname "warren0" accept', 'iifname { "warren0", "lo" } accept', 'iifname "warren*" accept'])
    assert.equal(whyOf(tableOf(`${shut}\n${rule}`, 'forward')), '');
  for (const rule of ['iifname "warren01" accept', 'iifname "warre" accept', 'iifname "eth*" accept'])
    assert.notEqual(whyOf(tableOf(`${shut}\n${rule}`, 'forward')), '');
});

test('a chain that drops what comes in must let the port of the tunnels in, and echoes and names from containers', () => {
  assert.match(whyOf(tableOf('', 'input')), /udp dport 51820 accept; .*icmp.*; .*dport 53 accept/);
  const bridge = 'iifname "warren-br" accept\n';
  for (const rule of ['udp dport 51820 accept', 'udp dport { 53, 51820 } accept', 'udp dport 50000-60000 accept'])
    assert.equal(whyOf(tableOf(bridge + rule, 'input')), '');
  for (const rule of ['udp dport 5182 accept', 'udp dport 1-100 accept', 'counter packets 51820 bytes 1 accept'])
    assert.match(
      whyOf(tableOf(bridge + rule, 'input')),
      /Run nft 'insert rule inet filter input udp dport 51820 accept'$/,
    );
});

/** As Docker 29 writes it for a bridge network, shortened. */
const docker = (raw: string, last: string, mark = ''): ForeignTable => ({
  family: 'ip',
  name: 'docker-bridges',
  drops: [],
  text: `table ip docker-bridges {
	chain filter-forward-in__warren-br {
		ct state established,related counter packets 0 bytes 0 accept
		${mark}
		iifname "warren-br" counter packets 0 bytes 0 accept comment "ICC"
		${last}
	}

	chain raw-PREROUTING {
		type filter hook prerouting priority raw; policy accept;
		ip daddr 10.210.1.128 iifname != ${raw} counter packets 0 bytes 0 drop comment "DROP DIRECT ACCESS"
	}
}`,
});
const dropped = 'counter packets 0 bytes 0 drop comment "UNPUBLISHED PORT DROP"';
const open = 'counter packets 0 bytes 0 accept comment "UNPROTECTED"';

test("Docker's own chains are in the way where they drop at the door, or what is not published", () => {
  assert.equal(whyOf(docker('{ "warren0", "warren-br", "lo" }', open)), '');
  const marked = 'meta mark & 0x08000000 == 0x08000000 counter packets 0 bytes 0 accept comment "ALLOW FW MARK"';
  assert.equal(whyOf(docker('{ "warren0", "warren-br" }', dropped, marked)), '');
  const why = whyOf(docker('"warren-br"', open));
  assert.match(
    why,
    /^ip docker-bridges warren-br: .*trusted_host_interfaces=warren0 .*gateway_mode_ipv4=nat-unprotected/,
  );
  assert.match(whyOf(docker('{ "warren0", "warren-br" }', dropped)), /--bridge-accept-fwmark=0x08000000\/0x08000000/);
});

test('a host that has no part in the mesh has nothing to say of others', () => {
  assert.deepEqual(planForeign(undefined, [tableOf('', 'forward')]), []);
});

test('of all chains, those of others that drop by policy are looked at, and what Docker has', () => {
  const chain = (family: string, table: string, name: string, hook?: string, policy = 'drop') => ({
    chain: { family, table, name, handle: 1, ...(hook === undefined ? {} : { type: 'filter', hook, prio: 0, policy }) },
  });
  const nftables = [
    { metainfo: { version: '1.0.6' } },
    chain('inet', 'filter', 'forward', 'forward'),
    chain('inet', 'filter', 'input', 'input'),
    chain('inet', 'filter', 'output', 'output'),
    chain('inet', 'filter', 'helper'),
    chain('inet', 'open', 'forward', 'forward', 'accept'),
    chain('inet', 'warren', 'transit', 'forward'),
    chain('inet', 'firewalld', 'filter_INPUT', 'input'),
    chain('ip', 'filter', 'FORWARD', 'forward'),
    chain('bridge', 'b', 'forward', 'forward'),
    chain('ip6', 'docker-bridges', 'filter-FORWARD', 'forward'),
  ];
  assert.deepEqual(parseChains(JSON.stringify({ nftables }), 'warren'), [
    {
      family: 'inet',
      name: 'filter',
      drops: [
        { chain: 'forward', hook: 'forward' },
        { chain: 'input', hook: 'input' },
      ],
    },
    { family: 'ip6', name: 'docker-bridges', drops: [] },
  ]);
});
