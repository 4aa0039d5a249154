import assert from 'node:assert/strict';
import { tableText } from '../../../agent/plan/nft-table.ts';
import { test } from 'node:test';
import fc from 'fast-check';
import { instancesOf } from '../../../agent/plan/firewall/publish.ts';
import { planBridgeTable, planTable } from '../../../agent/plan/firewall/table.ts';
import { firewallInput, refusedPublications } from '../../../agent/plan/firewall/wish.ts';
import { noLocalFacts } from '../../../agent/plan/local.ts';
import type { Observed } from '../../../agent/plan/observed.ts';
import type { HostSettings } from '../../../agent/plan/settings.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { parseAddress } from '../../../shared/net/address.ts';
import type { NetworkMap } from '../../../shared/network-map.ts';
import { type Workload, workloadSchema } from '../../../shared/workload.ts';
import { hostId, meshOf } from '../../support/mesh-map.ts';

const settings = {
  interfaceName: 'warren0',
  bridgeName: 'warren-br',
  tableName: 'warren',
  listenPort: 51820,
  selfId: hostId(1),
} as unknown as HostSettings;

function workload(fields: Partial<Record<keyof Workload, unknown>>): Workload {
  const open = { services: [], ports: [], segment: null, isHealthy: true, variables: [], addresses: [] };
  return workloadSchema.parse({ name: 'one', ...open, ...fields });
}

function mapWith(byHost: Readonly<Record<number, Workload[]>>, mesh: Partial<NetworkMap['mesh']> = {}): NetworkMap {
  const map = meshOf(3);
  const hosts = map.hosts.map((host, i) => ({ ...host, workloads: byHost[i + 1] ?? [] }));
  return { ...map, mesh: { ...map.mesh, ...mesh }, hosts };
}

const port = (name: string, master = 'warren-br') => [name, { name, master }] as const;
const bridgePorts = new Map([port('wv2'), port('veth1'), port('veth9', 'docker0')]) as unknown as Observed['links'];

function inputOf(map: NetworkMap, local = noLocalFacts, links = bridgePorts) {
  const self = map.hosts.find((host) => host.id === settings.selfId);
  const bridge = { name: 'warren-br', addresses: ['10.210.1.1/24', 'fd00:86:0:11::1/64'], mtu: 1420 };
  const routes = [{ gateway: '192.0.2.1', device: 'br0' }] as unknown as Observed['routes'];
  const own = self ?? { addresses: [] };
  const wish = { map, settings, attachments: [], local, dead: [] };
  return firewallInput(wish, self, own, bridge, [], map.mesh.containerPools, { links, routes });
}

/** The lines of one chain. */
function chain(text: string, name: string): string[] {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => line.startsWith(`  chain ${name} {`));
  assert.ok(at >= 0, `no chain ${name}`);
  return lines.slice(at + 1, lines.indexOf('  }', at)).map((line) => line.trim());
}

test('a published port leads to every healthy instance of every host that is there', () => {
  const service = { services: ['web'], name: 'a' };
  const map = mapWith(
    {
      2: [workload({ ...service, addresses: ['10.210.2.5', 'fd00:86:0:12::5'] })],
      3: [
        workload({ ...service, addresses: ['10.210.3.5'] }),
        workload({ ...service, name: 'ill', addresses: ['10.210.3.6'], isHealthy: false }),
        workload({ ...service, name: 'liar', addresses: ['10.210.2.77'] }),
      ],
    },
    {
      publications: [
        { id: 'paaaaaaaaaaaaaaaa', service: 'web', targetPort: 80, protocol: 'tcp', port: 8080, hostId: null },
        { id: 'pbbbbbbbbbbbbbbbb', service: 'web', targetPort: 80, protocol: 'tcp', port: 81, hostId: hostId(2) },
        { id: 'pcccccccccccccccc', service: 'none', targetPort: 53, protocol: 'udp', port: 53, hostId: null },
      ] as unknown as NetworkMap['mesh']['publications'],
    },
  );
  const local = { ...noLocalFacts, workloads: [workload({ ...service, name: 'own', addresses: ['10.210.1.9'] })] };
  const text = tableText(planTable(inputOf(map, local)));
  assert.deepEqual(chain(text, 'publish'), ['fib daddr type local tcp dport 8080 jump publish_tcp_8080']);
  assert.deepEqual(chain(text, 'publish_tcp_8080'), [
    'ct mark set ct mark or 0x08000000',
    'ip saddr 10.210.1.9 meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 10.210.2.5, 1 : 10.210.3.5 } : 80',
    'meta nfproto ipv4 meta l4proto tcp dnat ip to numgen random mod 3 map { 0 : 10.210.1.9, 1 : 10.210.2.5, 2 : 10.210.3.5 } : 80',
    'meta nfproto ipv6 meta l4proto tcp dnat ip6 to numgen random mod 1 map { 0 : fd00:86:0:12::5 } : 80',
  ]);
  assert.match(chain(text, 'publish_back')[0] ?? '', /oifname "warren0" .* snat ip to 10\.86\.0\.1$/);
});

test('an instance that calls its own port gets another one, and itself only where there is none', () => {
  const publications = [
    { id: 'paaaaaaaaaaaaaaaa', service: 'web', targetPort: 80, protocol: 'tcp', port: 8080, hostId: null },
  ] as unknown as NetworkMap['mesh']['publications'];
  const own = (count: number) =>
    Array.from({ length: count }, (_, i) =>
      workload({ name: `w${i}`, services: ['web'], addresses: [`10.210.1.${i + 2}`] }),
    );
  const callers = (count: number): string[] => {
    const text = tableText(
      planTable(inputOf(mapWith({}, { publications }), { ...noLocalFacts, workloads: own(count) })),
    );
    return chain(text, 'publish_tcp_8080').filter((rule) => rule.startsWith('ip saddr'));
  };
  assert.deepEqual(callers(1), []);
  for (const rule of callers(3)) {
    const [, caller = '', choices = ''] = /^ip saddr (\S+) .* map \{ (.*) \}/.exec(rule) ?? [];
    assert.equal(choices.split(', ').length, 2);
    assert.ok(!choices.split(/[, ]+/).includes(caller));
  }
  assert.equal(callers(3).length, 3);
  // The rules stay short whatever is published.
  assert.equal(callers(200).length, 20);
});

test('a port without instances refuses in both families, one with instances only in the family that has none', () => {
  const publications = [
    { id: 'paaaaaaaaaaaaaaaa', service: 'web', targetPort: 80, protocol: 'tcp', port: 8080, hostId: null },
    { id: 'pbbbbbbbbbbbbbbbb', service: 'none', targetPort: 80, protocol: 'udp', port: 81, hostId: null },
  ] as unknown as NetworkMap['mesh']['publications'];
  const map = mapWith({ 2: [workload({ services: ['web'], addresses: ['10.210.2.5'] })] }, { publications });
  assert.deepEqual(chain(tableText(planTable(inputOf(map))), 'publish_none'), [
    'iifname != "lo" meta nfproto ipv6 ct state new tcp dport 8080 reject with tcp reset',
    'iifname != "lo" meta nfproto ipv4 ct state new udp dport 81 reject with icmpx port-unreachable',
    'iifname != "lo" meta nfproto ipv6 ct state new udp dport 81 reject with icmpx port-unreachable',
  ]);
});

test('whoever publishes port 53 does not take the name server of the gateway away, where there is one', () => {
  const publications = [
    { id: 'paaaaaaaaaaaaaaaa', service: 'web', targetPort: 53, protocol: 'udp', port: 53, hostId: null },
  ] as unknown as NetworkMap['mesh']['publications'];
  const map = mapWith({ 2: [workload({ services: ['web'], addresses: ['10.210.2.5'] })] }, { publications });
  const served = tableText(planTable(inputOf(map, { ...noLocalFacts, resolvers: [] })));
  const spared = [
    'ip daddr 10.210.1.1 meta l4proto { tcp, udp } th dport 53 return',
    'ip6 daddr fd00:86:0:11::1 meta l4proto { tcp, udp } th dport 53 return',
  ];
  assert.deepEqual(chain(served, 'publish').slice(0, 2), spared);
  assert.deepEqual(chain(served, 'publish_here').slice(2, 4), spared);
  assert.deepEqual(chain(served, 'publish_none').slice(0, 2), spared);
  assert.doesNotMatch(tableText(planTable(inputOf(map))), /th dport 53 return/);
});

test('outside is where packets leave by: no container of others, no port of a bridge, nothing of ours', () => {
  const link = (name: string, rest: object = {}) => [name, { name, addresses: [], ...rest }] as const;
  const links = new Map([
    link('lo', { isLoopback: true }),
    link('eth0'),
    link('wg9', { kind: 'wireguard' }),
    link('eth1', { master: 'br0' }),
    link('br0', { kind: 'bridge' }),
    link('docker0', { kind: 'bridge' }),
    link('veth1', { kind: 'veth' }),
    link('underlay', { kind: 'veth', addresses: ['10.0.0.10/24'] }),
    link('a b'),
    link('warren0', { kind: 'wireguard' }),
    link('warren-br', { kind: 'bridge' }),
    link('wv9', { kind: 'veth', alias: `warren:${hostId(1)}`, addresses: ['10.0.0.1/24'] }),
  ]) as unknown as Observed['links'];
  assert.deepEqual(inputOf(mapWith({}), noLocalFacts, links).outside, ['br0', 'eth0', 'underlay', 'wg9']);
});

test('a published port never takes the tunnels of a host that joined with it, and the host says so', () => {
  const udp = { service: 'web', targetPort: 80, protocol: 'udp', hostId: null };
  const publications = [
    { ...udp, id: 'paaaaaaaaaaaaaaaa', port: 51820 },
    { ...udp, id: 'pbbbbbbbbbbbbbbbb', port: 51821 },
    { ...udp, id: 'pcccccccccccccccc', port: 51820, protocol: 'tcp' },
  ] as unknown as NetworkMap['mesh']['publications'];
  const map = mapWith({ 2: [workload({ services: ['web'], addresses: ['10.210.2.5'] })] }, { publications });
  assert.deepEqual(
    inputOf(map).publications.map(({ port, protocol }) => `${port}/${protocol}`),
    ['51821/udp', '51820/tcp'],
  );
  const [refusal, ...others] = refusedPublications(map, settings);
  assert.equal(refusal?.subject, '51820/udp');
  assert.match(refusal?.why ?? '', /warren unpublish paaaaaaaaaaaaaaaa/);
  assert.deepEqual(others, []);
});

test('a host that is gone has no instances', () => {
  const map = mapWith({ 2: [workload({ services: ['web'], addresses: ['10.210.2.5'] })] });
  const gone = { ...map, hosts: map.hosts.map((host, i) => ({ ...host, isGone: i === 1 })) };
  assert.equal(instancesOf('web', inputOf(map).workloads).length, 1);
  assert.equal(instancesOf('web', inputOf(gone).workloads).length, 0);
});

test('segments stand in both tables, and in neither while nothing is in one', () => {
  const map = mapWith({
    2: [workload({ segment: 'blue', addresses: ['10.210.2.5'] })],
    3: [workload({ segment: 'red-1', addresses: ['10.210.3.5', 'fd00:86:0:13::5'] })],
  });
  const text = tableText(planTable(inputOf(map)));
  const bridge = planBridgeTable(inputOf(map));
  for (const one of [text, tableText(bridge)]) {
    assert.match(
      one,
      /map segment_source4 \{ type ipv4_addr : verdict; elements = \{ 10\.210\.2\.5 : jump from_blue, 10\.210\.3\.5 : jump from_red_1 \}; \}/,
    );
    assert.deepEqual(chain(one, 'to_blue'), [
      'ip saddr @containers4 ip saddr != @members_blue_4 counter drop',
      'ip6 saddr @containers6 ip6 saddr != @members_blue_6 counter drop',
    ]);
  }
  assert.doesNotMatch(tableText(planBridgeTable(inputOf(meshOf(3)))), /segment/);
  assert.doesNotMatch(tableText(planTable(inputOf(meshOf(3)))), /segment/);
});

test('between two ports of the bridge nothing passes that a segment could be left by', () => {
  const map = mapWith({ 2: [workload({ segment: 'blue', addresses: ['10.210.2.5'] })] });
  const rules = chain(tableText(planBridgeTable(inputOf(map))), 'segments');
  assert.deepEqual(rules.slice(0, 8), [
    'iifname { "veth1", "wv2" } meta protocol != { ip, ip6, arp } counter drop',
    'iifname { "veth1", "wv2" } ip6 hoplimit 255 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept',
    'iifname { "veth1", "wv2" } meta protocol { ip, ip6 } meta pkttype { broadcast, multicast } counter drop',
    'iifname { "veth1", "wv2" } ip daddr { 10.210.1.255 } counter drop',
    'iifname { "veth1", "wv2" } ip saddr != @containers4 counter drop',
    'iifname { "veth1", "wv2" } ip daddr != @containers4 counter drop',
    'iifname { "veth1", "wv2" } ip6 saddr != @containers6 counter drop',
    'iifname { "veth1", "wv2" } ip6 daddr != @containers6 counter drop',
  ]);
  assert.doesNotMatch(tableText(planTable(inputOf(map))), /icmpv6/);
});

test('on an engine’s network with a member of a segment the same holds from port to port, on one without none of it', () => {
  const networks = ['172.21.0.0/16', '172.22.0.0/16'].map((prefix, i) => ({
    name: `lan${i}`,
    bridgeName: `br-${i}`,
    prefixes: [parseCidr(prefix)],
  }));
  const local = {
    ...noLocalFacts,
    engine: { firewall: 'iptables' as const, networks },
    workloads: [
      workload({ name: 'own', segment: 'blue', addresses: ['172.21.0.2'] }),
      workload({ name: 'open', addresses: ['172.22.0.2'] }),
    ],
  };
  const links = new Map([port('wv2'), port('veth1', 'br-0'), port('veth9', 'br-1')]) as unknown as Observed['links'];
  const own = meshOf(1);
  const hosts = own.hosts.map((host) => ({
    ...host,
    subnets: networks.map(({ prefixes }) => ({ prefix: prefixes[0], weight: 1 })),
  }));
  const input = inputOf({ ...own, hosts } as unknown as NetworkMap, local, links);
  assert.deepEqual(input.ports, ['veth1', 'wv2']);
  const rules = chain(tableText(planBridgeTable(input)), 'segments');
  assert.equal(
    rules[3],
    'iifname { "veth1", "wv2" } ip daddr { 10.210.1.255, 172.21.255.255, 172.22.255.255 } counter drop',
  );
});

test('a container of an advertised network is no outsider to a segment, a host is', () => {
  const map = mapWith({ 2: [workload({ segment: 'blue', addresses: ['10.210.2.5'] })] });
  const hosts = map.hosts.map((host, i) => ({
    ...host,
    subnets: i === 2 ? [{ prefix: parseCidr('172.20.0.0/16'), weight: 10 }] : host.subnets,
    workloads:
      i === 2
        ? [workload({ name: 'far', addresses: ['172.20.0.9'] }), workload({ addresses: host.addresses })]
        : host.workloads,
  })) as unknown as NetworkMap['hosts'];
  const engine = {
    firewall: 'iptables' as const,
    networks: [{ name: 'lan', bridgeName: 'br-0', prefixes: [parseCidr('172.21.0.0/16')] }],
  };
  const { containers } = inputOf({ ...map, hosts }, { ...noLocalFacts, engine });
  assert.deepEqual(containers, [...map.mesh.containerPools, '172.21.0.0/16', '172.20.0.9/32']);
});

test('what this machine asks of a loopback address is never led to a service', () => {
  const publications = [
    { id: 'paaaaaaaaaaaaaaaa', service: 'web', targetPort: 80, protocol: 'tcp', port: 8080, hostId: null },
  ] as unknown as NetworkMap['mesh']['publications'];
  const map = mapWith({ 2: [workload({ services: ['web'], addresses: ['10.210.2.5'] })] }, { publications });
  assert.deepEqual(chain(tableText(planTable(inputOf(map))), 'publish_here'), [
    'ip daddr 127.0.0.0/8 return',
    'ip6 daddr ::1 return',
    'fib daddr type local tcp dport 8080 jump publish_tcp_8080',
  ]);
});

test('what containers ask the name servers of the host comes to the agent', () => {
  const local = { ...noLocalFacts, resolvers: ['192.0.2.53', '2001:db8::53'].map(parseAddress) };
  assert.deepEqual(chain(tableText(planTable(inputOf(meshOf(1), local))), 'names'), [
    'iifname { "warren-br" } ip daddr @resolvers4 meta l4proto { tcp, udp } th dport 53 dnat ip to 10.210.1.1',
    'iifname { "warren-br" } ip6 daddr @resolvers6 meta l4proto { tcp, udp } th dport 53 dnat ip6 to fd00:86:0:11::1',
  ]);
});

test('no text of a map can end a statement: whatever parses as a workload leaves the rules well formed', () => {
  const name = fc.stringMatching(/^[a-z0-9_][a-z0-9_-]{0,8}[a-z0-9_]$/);
  const segment = fc.option(fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/), { nil: null });
  fc.assert(
    fc.property(fc.array(fc.record({ name, segment, last: fc.integer({ min: 2, max: 99 }) })), (list) => {
      const workloads = list.map((one) =>
        workload({ name: one.name, segment: one.segment, addresses: [`10.210.2.${one.last}`] }),
      );
      const text = tableText(planTable(inputOf(mapWith({ 2: workloads }))));
      const count = (pattern: RegExp): number => [...text.matchAll(pattern)].length;
      assert.equal(count(/\{/g), count(/\}/g));
      for (const line of text.split('\n')) assert.equal([...line.matchAll(/"/g)].length % 2, 0, line);
      assert.doesNotMatch(text, /flush|delete|;;/);
    }),
    { numRuns: 50 },
  );
});

test('no two chains of one table stand at the same place, and no rule makes a set with intervals of its own', () => {
  const map = mapWith({ 2: [workload({ segment: 'blue', services: ['web'], addresses: ['10.210.2.5'] })] }, {
    publications: [
      { id: 'paaaaaaaaaaaaaaaa', service: 'web', targetPort: 80, protocol: 'tcp', port: 80, hostId: null },
    ],
  } as unknown as Partial<NetworkMap['mesh']>);
  const local = { ...noLocalFacts, probePort: 9, resolvers: ['192.0.2.53'].map(parseAddress) };
  const input = { ...inputOf(map, local), dead: [parseCidr('10.210.3.0/24')] };
  for (const { chains } of [planTable(input), planBridgeTable(input)]) {
    const heads = chains.flatMap(({ head }) => head?.replace(/^type \w+ /, '') ?? []);
    assert.deepEqual([...new Set(heads)], heads);
    for (const rule of chains.flatMap(({ rules }) => rules)) assert.doesNotMatch(rule, /\{[^}]*\/\d+[^}]*\}/, rule);
  }
});
