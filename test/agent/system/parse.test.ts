import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseBatchErrors, parseLinks, parseRoutes } from '../../../agent/system/ip.ts';
import { parseListing } from '../../../agent/system/nft.ts';
import { parseDump } from '../../../agent/system/wg.ts';
import { concernsFirewalld, concernsLinks, concernsTable } from '../../../agent/system/monitor.ts';
import { parsePublicKey } from '../../../shared/wireguard.ts';
import { settingsOf } from '../../support/agent-fixture.ts';
import { publicKeyOf } from '../../support/mesh-map.ts';

test('a dump of wg gives every peer, and neither the private key nor a preshared one', () => {
  const [own, peer, bare] = [1, 2, 3].map((n) => parsePublicKey(publicKeyOf(n)));
  const presharedKey = Buffer.alloc(32, 9).toString('base64');
  const dump = [
    `PRIVATE\t${own}\t51820\toff`,
    `${peer}\t(none)\t192.0.2.2:51820\t10.86.0.2/32,10.210.2.0/24\t1700000000\t5\t6\t25`,
    `${bare}\t${presharedKey}\t[fe80::1%eth0]:4\t(none)\t0\t0\t0\toff`,
  ].join('\n');
  const device = parseDump(dump);
  const kept = JSON.stringify([device, ...(device?.peers.values() ?? [])]);
  assert.ok(!kept.includes('PRIVATE'));
  assert.ok(!kept.includes(presharedKey));
  assert.deepEqual([device?.publicKey, device?.listenPort], [own, 51820]);
  assert.deepEqual(device?.peers.get(peer as never), {
    publicKey: peer,
    endpoint: '192.0.2.2:51820',
    hasEndpoint: true,
    presharedKeyId: undefined,
    allowedIps: ['10.86.0.2/32', '10.210.2.0/24'],
    handshakeAt: 1_700_000_000_000,
    rxBytes: 5,
    txBytes: 6,
    keepaliveSeconds: 25,
  });
  const other = device?.peers.get(bare as never);
  assert.deepEqual([other?.endpoint, other?.hasEndpoint, other?.presharedKeyId], [undefined, true, 'f9e2a6fdc619ec2e']);
  assert.deepEqual([other?.allowedIps, other?.keepaliveSeconds], [[], 0]);
});

test('an interface without a key has none', () => {
  assert.equal(parseDump('(none)\t(none)\t40000\toff\n')?.publicKey, undefined);
  assert.equal(parseDump(''), undefined);
});

test('links keep what planning needs; link-local addresses are left out', () => {
  const json = JSON.stringify([
    {
      ifindex: 6,
      ifname: 'warren0',
      flags: ['POINTOPOINT', 'UP'],
      mtu: 1400,
      linkinfo: { info_kind: 'tun' },
      ifalias: 'warren:hx',
      addr_info: [
        { family: 'inet', local: '10.86.0.1', prefixlen: 32, scope: 'global' },
        { family: 'inet6', local: 'fe80::1', prefixlen: 64, scope: 'link' },
        {},
      ],
    },
  ]);
  const link = parseLinks(json).get('warren0');
  assert.deepEqual(
    [link?.kind, link?.isUp, link?.alias, link?.addresses],
    ['tun', true, 'warren:hx', ['10.86.0.1/32']],
  );
});

test('routes are read with default and host routes as prefixes, multipath ones without a device', () => {
  const json = JSON.stringify([
    { dst: 'default', gateway: '192.0.2.254', dev: 'eth0', flags: [] },
    { dst: '10.0.0.7', dev: 'warren0', protocol: '86', prefsrc: '10.86.0.1', flags: [], metrics: [{ mtu: 1328 }] },
    { dst: '10.1.0.0/16', nexthops: [], flags: [] },
  ]);
  const routes = parseRoutes(json, 4).map(({ prefix, device, protocol, source }) => [prefix, device, protocol, source]);
  assert.deepEqual(routes, [
    ['0.0.0.0/0', 'eth0', 'boot', undefined],
    ['10.0.0.7/32', 'warren0', '86', '10.86.0.1'],
    ['10.1.0.0/16', undefined, 'boot', undefined],
  ]);
  assert.deepEqual(
    parseRoutes(json, 4).map(({ mtu }) => mtu),
    [undefined, 1328, undefined],
  );
  assert.deepEqual(parseRoutes('', 6), []);
});

test('each failed line of a batch is found with what ip said of it', () => {
  const stderr = 'Cannot find device "nope"\nCommand failed -:1\nError: Invalid prefsrc address.\nCommand failed -:3\n';
  assert.deepEqual(
    [...parseBatchErrors(stderr)],
    [
      [0, 'Cannot find device "nope"'],
      [2, 'Error: Invalid prefsrc address.'],
    ],
  );
});

test('a listing of nft is the same with other handles and counters, and another with another rule', () => {
  const listing = (handle: number, packets: number, verdict: string) =>
    parseListing(
      JSON.stringify({
        nftables: [
          { metainfo: { version: String(handle) } },
          { rule: { chain: 'transit', handle, expr: [{ counter: { packets, bytes: packets } }, { [verdict]: null }] } },
          { rule: { chain: 'seal', handle, comment: 'warren:a:b', expr: [] } },
        ],
      }),
    );
  assert.equal(listing(1, 0, 'drop').digest, listing(7, 99, 'drop').digest);
  assert.notEqual(listing(1, 0, 'drop').digest, listing(1, 0, 'accept').digest);
  assert.equal(listing(1, 0, 'drop').seal, 'warren:a:b');
});

test('lines about our links, our routes and uplinks wake the agent; those of a busy container host do not', () => {
  const settings = settingsOf(1);
  const wakes = [
    '6: warren0: <POINTOPOINT,NOARP,UP> mtu 1420',
    'Deleted 10.77.0.0/24 dev warren0 proto 86 scope link',
    'Deleted 7: wvc1@if2: <BROADCAST>',
    '2: eth0    inet 10.9.9.9/24 scope global eth0',
    'default via 192.0.2.254 dev eth0',
    '',
  ];
  const sleeps = [
    '    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff',
    '41: vethab12@if40: <BROADCAST,MULTICAST> mtu 1500',
    'Deleted fe80::/64 dev veth77 proto kernel metric 256',
    '9: br-1234: <NO-CARRIER> mtu 1500',
    '       valid_lft forever preferred_lft forever',
  ];
  assert.deepEqual(
    wakes.filter((line) => !concernsLinks(line, settings)),
    [],
  );
  assert.deepEqual(
    sleeps.filter((line) => concernsLinks(line, settings)),
    [],
  );
  assert.ok(concernsTable('delete rule inet warren transit handle 12', settings));
  assert.ok(!concernsTable('add rule ip filter DOCKER handle 3', settings));
});

test('firewalld is asked again when it makes its table anew or moves our links, and for no other rule of its', () => {
  const settings = settingsOf(1);
  for (const line of [
    '',
    'add table inet firewalld',
    'delete table inet firewalld',
    'insert rule inet firewalld filter_INPUT_ZONES iifname "warren0" goto filter_IN_public',
    'delete rule inet firewalld filter_FORWARD_IN_ZONES iifname "warren-br" goto filter_FWDI_warren # handle 9',
  ])
    assert.ok(concernsFirewalld(line, settings), line);
  for (const line of [
    'add rule inet firewalld filter_IN_public_allow tcp dport 22 accept',
    'add element inet firewalld banned { 192.0.2.1 }',
    'add rule inet firewalld filter_INPUT_ZONES iifname "warren00" goto filter_IN_public',
    'add table inet other',
  ])
    assert.ok(!concernsFirewalld(line, settings), line);
});
