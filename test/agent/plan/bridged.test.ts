import assert from 'node:assert/strict';
import { tableText } from '../../../agent/plan/nft-table.ts';
import { test } from 'node:test';
import fc from 'fast-check';
import { desireSegments, segmentLinks } from '../../../agent/plan/bridged.ts';
import type { Step } from '../../../agent/plan/step.ts';
import { parseInterfaceName } from '../../../shared/names.ts';
import type { NetworkMap } from '../../../shared/network-map.ts';
import { type Workload, workloadSchema } from '../../../shared/workload.ts';
import { AgentFixture, attachmentOf, fakeHost, settingsOf } from '../../support/agent-fixture.ts';
import { type HostOptions, hostRecord, networkMap } from '../../support/mesh-map.ts';

const segments = [
  { name: 'lan', kind: 'bridged', vni: 4097 },
  { name: 'lan2', kind: 'bridged', vni: 16_777_215 },
  { name: 'web', kind: 'routed', vni: null },
] as unknown as NetworkMap['mesh']['segments'];

const member = (name: string, segment: string): Workload =>
  workloadSchema.parse({ name, services: [], addresses: [], ports: [], segment, isHealthy: true, variables: [] });

const inLan: HostOptions = { workloads: [member('c', 'lan')] };
const meshWith = (...hosts: readonly (HostOptions | undefined)[]): NetworkMap =>
  networkMap(
    hosts.flatMap((options, i) => (options === undefined ? [] : [hostRecord(i + 1, options)])),
    { segments },
  );

/** Host 1 with a member of its own. */
function memberHost(...names: string[]) {
  const host = fakeHost();
  const agent = new AgentFixture(host.system);
  agent.workloads = names.map((name) => member(`own-${name}`, name));
  return { host, agent };
}

const ofSegments = (steps: readonly Step[]): string[] =>
  steps.flatMap((step) => {
    if (step.kind === 'fdb-append' || step.kind === 'fdb-remove') return `${step.kind} ${step.mac} ${step.address}`;
    if ('interfaceName' in step && /^w[bx]-/.test(step.interfaceName)) return `${step.kind} ${step.interfaceName}`;
    return [];
  });
const flood = '00:00:00:00:00:00';

test('the first member brings bridge, VXLAN device and one flood entry per host that has members', async () => {
  const { agent, host } = memberHost('lan');
  const map = meshWith({}, inLan, {}, inLan);
  const { steps, result } = await agent.pass(map);
  assert.deepEqual(result.failures, []);
  assert.deepEqual(ofSegments(steps), [
    'segment-bridge-create wb-4097',
    'vxlan-create wx-4097',
    `fdb-append ${flood} 10.86.0.2`,
    `fdb-append ${flood} 10.86.0.4`,
  ]);
  assert.deepEqual((await agent.pass(map)).steps, []);
  const vxlan = host.main.links.get('wx-4097');
  assert.deepEqual(vxlan?.vxlan, { id: 4097, port: 4789, local: '10.86.0.1', link: 'warren0' });
  assert.equal(vxlan.master, 'wb-4097');
  assert.deepEqual([vxlan.mtu, host.main.links.get('wb-4097')?.mtu], [1370, 1370]);
});

test('a host without members, and a routed segment, get nothing', async () => {
  const { agent } = memberHost('web');
  const { steps, desired } = await agent.pass(meshWith({}, inLan, inLan));
  assert.deepEqual(ofSegments(steps), []);
  assert.deepEqual(desired.segments, []);
  assert.doesNotMatch(tableText(desired.table), /4789/);
});

test('a host that joins is flooded to, and of one that leaves everything is forgotten, what was learned too', async () => {
  const { agent, host } = memberHost('lan');
  await agent.pass(meshWith({}, inLan, inLan));
  host.hand('bridge fdb append 02:00:00:00:00:aa dev wx-4097 dst 10.86.0.2 self');
  host.hand('bridge fdb append 02:00:00:00:00:bb dev wx-4097 dst 10.86.0.3 self');
  const changed = meshWith({}, {}, inLan, inLan);
  assert.deepEqual(ofSegments((await agent.pass(changed)).steps), [
    `fdb-append ${flood} 10.86.0.4`,
    `fdb-remove ${flood} 10.86.0.2`,
    'fdb-remove 02:00:00:00:00:aa 10.86.0.2',
  ]);
  assert.deepEqual((await agent.pass(changed)).steps, []);
});

test('a host that the server finds gone is still flooded to; one that left the map is not', async () => {
  const { agent } = memberHost('lan');
  const first = await agent.pass(meshWith({}, { ...inLan, isGone: true }, inLan));
  assert.deepEqual(first.desired.segments[0]?.remotes, ['10.86.0.2', '10.86.0.3']);
  const second = await agent.pass(meshWith({}, undefined, inLan));
  assert.deepEqual(ofSegments(second.steps), [`fdb-remove ${flood} 10.86.0.2`]);
});

test('when the last member leaves everything of the segment goes, and other segments stay', async () => {
  const { agent, host } = memberHost('lan', 'lan2');
  const map = meshWith({}, { workloads: [member('a', 'lan'), member('b', 'lan2')] });
  await agent.pass(map);
  agent.workloads = [member('own-lan2', 'lan2')];
  assert.deepEqual(ofSegments((await agent.pass(map)).steps), ['link-remove wb-4097', 'link-remove wx-4097']);
  assert.deepEqual((await agent.pass(map)).steps, []);
  assert.ok(host.main.links.has('wb-16777215'));
});

test('a bridge that others still have ports in is left to them', async () => {
  const { agent, host } = memberHost('lan');
  await agent.pass(meshWith({}, inLan));
  host.main.addLink('vethdocker', 'veth', { mtu: 1370 });
  host.hand('ip link set dev vethdocker master wb-4097');
  agent.workloads = [];
  assert.deepEqual(ofSegments((await agent.pass(meshWith({}, inLan))).steps), ['link-remove wx-4097']);
});

test('a bridge that the engine made is used and never marked, so it stays the engine’s', async () => {
  const { agent, host } = memberHost('lan');
  host.main.addLink('wb-4097', 'bridge', { mtu: 1500 });
  host.hand('ip link set dev wb-4097 up');
  host.hand('ip addr add 192.168.77.65/24 dev wb-4097');
  const { result } = await agent.pass(meshWith({}, inLan));
  assert.deepEqual(result.failures, []);
  assert.deepEqual((await agent.pass(meshWith({}, inLan))).steps, []);
  assert.equal(host.main.links.get('wx-4097')?.master, 'wb-4097');
  agent.workloads = [];
  await agent.pass(meshWith({}, inLan));
  const { alias, addresses } = host.main.links.get('wb-4097') ?? {};
  assert.deepEqual([alias, addresses], [undefined, ['192.168.77.65/24']]);
});

test('what somebody deletes or alters comes back', async () => {
  const { agent, host } = memberHost('lan');
  const map = meshWith({}, inLan);
  for (const damage of [
    'ip link del dev wb-4097',
    'ip link del dev wx-4097',
    'ip link set dev wx-4097 down',
    'ip link del dev warren0',
    'ip link set dev wb-4097 mtu 1500',
    `bridge fdb del ${flood} dev wx-4097 dst 10.86.0.2 self`,
    `bridge fdb append ${flood} dev wx-4097 dst 192.0.2.9 self`,
  ]) {
    await agent.pass(map);
    host.hand(damage);
    assert.notDeepEqual((await agent.pass(map)).steps, [], damage);
    assert.deepEqual((await agent.pass(map)).steps, [], damage);
    assert.deepEqual(
      host.main.links.get('wx-4097')?.entries.map(({ mac, dst }) => `${mac} ${dst}`),
      [`${flood} 10.86.0.2`],
      damage,
    );
  }
});

test('a device made for another address is made anew', async () => {
  const { agent } = memberHost('lan');
  await agent.pass(meshWith({}, inLan));
  const moved = meshWith({ addresses: ['10.86.0.77', 'fd00:86::1'] }, inLan);
  assert.deepEqual(ofSegments((await agent.pass(moved)).steps), [
    'link-remove wx-4097',
    'vxlan-create wx-4097',
    `fdb-append ${flood} 10.86.0.2`,
  ]);
  assert.deepEqual((await agent.pass(moved)).steps, []);
});

test('a link of that name that is not ours is refused by the segment’s name', async () => {
  const { agent, host } = memberHost('lan');
  host.main.addLink('wx-4097', 'dummy', { mtu: 1500 });
  const { refusals, steps } = await agent.pass(meshWith({}, inLan));
  assert.deepEqual(
    refusals.map(({ kind, subject }) => `${kind} ${subject}`),
    ['segment-refused lan'],
  );
  assert.deepEqual(ofSegments(steps), []);
});

test('of two segments with one VNI the first is made and the second refused', async () => {
  const { agent } = memberHost('lan', 'other');
  const twice = [...segments.slice(0, 1), { name: 'other', kind: 'bridged', vni: 4097 }] as never;
  const { refusals, desired } = await agent.pass(networkMap([hostRecord(1)], { segments: twice }));
  assert.deepEqual(
    desired.segments.map(({ name }) => name),
    ['lan'],
  );
  assert.match(refusals.find(({ subject }) => subject === 'other')?.why ?? '', /VNI of the segment lan/);
});

test('IPv6 is taken as soon as one member has no IPv4, and costs 20 bytes more', async () => {
  const { agent } = memberHost('lan');
  const { desired } = await agent.pass(meshWith({}, inLan, { ...inLan, addresses: ['fd00:86::3'] }));
  const [segment] = desired.segments;
  assert.deepEqual([segment?.local, segment?.remotes], ['fd00:86::1', ['fd00:86::2', 'fd00:86::3']]);
  assert.equal(segment?.mtu, 1350);
});

test('an address that is not believed to be the host’s is never sent to', async () => {
  const { agent } = memberHost('lan');
  const lan = { ...inLan, addresses: ['192.0.2.77', 'fd00:86::2'] };
  const twin = { ...inLan, addresses: ['10.86.0.3', 'fd00:86::3'] };
  const { desired } = await agent.pass(meshWith({}, lan, twin, { ...twin, endpoints: [] }));
  assert.deepEqual(desired.segments[0]?.remotes, []);
});

test('only the tunnel may bring a segment’s packets, from members; nobody here may send any', async () => {
  const { agent } = memberHost('lan');
  const { desired } = await agent.pass(meshWith({}, inLan, {}, inLan));
  const rules = tableText(desired.table).slice(tableText(desired.table).indexOf('  chain check_segments'));
  assert.equal(
    rules,
    `  chain check_segments { type filter hook input priority -149; policy accept;
    iifname "wb-4097" counter drop
    udp dport 4789 @th,96,24 4097 iifname != "warren0" counter drop
    udp dport 4789 @th,96,24 4097 meta nfproto ipv6 counter drop
    udp dport 4789 @th,96,24 4097 ip saddr != { 10.86.0.2, 10.86.0.4 } counter drop
  }
  chain send_segments { type filter hook output priority -149; policy accept;
    udp dport 4789 @th,96,24 4097 meta skuid >= 0 counter drop
  }
  chain leave_segments { type filter hook forward priority -149; policy accept;
    iifname "wb-4097" oifname != "wb-4097" counter drop
    oifname "wb-4097" iifname != "wb-4097" counter drop
  }`,
  );
});

test('names fit an interface and differ between instances', () => {
  const vni = 16_777_215;
  const names = [{}, { tableName: 'warren-b' }].flatMap((changes) =>
    Object.values(segmentLinks(settingsOf(1, changes), vni)),
  );
  for (const name of names) assert.equal(parseInterfaceName(name), name);
  assert.equal(new Set(names).size, 4);
});

test('an attachment of a segment hangs on its bridge without addresses, beside one on the lease', async () => {
  const { agent, host } = memberHost('lan');
  host.addNamespace('/run/netns/c1');
  const onLease = attachmentOf(1);
  const inSegment = {
    ...onLease,
    id: 'l2',
    interfaceName: parseInterfaceName('eth1'),
    addresses: [],
    gateways: [],
    segment: segments[0]?.name as never,
  };
  agent.attachments = [onLease, inSegment];
  const map = meshWith({}, inLan);
  assert.deepEqual((await agent.pass(map)).result.failures, []);
  assert.deepEqual((await agent.pass(map)).steps, []);
  const { links } = host.main;
  assert.deepEqual([links.get('wvc1')?.master, links.get('wvl2')?.master], ['warren-br', 'wb-4097']);
  assert.equal(host.namespaces.get('/run/netns/c1')?.links.get('eth1')?.mtu, 1370);
  const without = networkMap([hostRecord(1), hostRecord(2, inLan)]);
  const { refusals } = await agent.pass(without);
  assert.match(refusals[0]?.why ?? '', /'lan' cannot be had/);
  assert.deepEqual((await agent.pass(without)).steps, []);
  assert.deepEqual([links.has('wvc1'), links.has('wvl2'), links.has('wb-4097')], [true, false, false]);
});

test('whatever membership follows whatever membership, one apply reaches it', async () => {
  const names = fc.subarray(['lan', 'lan2', 'web']);
  const states = fc.record({ own: names, others: fc.array(fc.option(names), { minLength: 3, maxLength: 3 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(states, { minLength: 1, maxLength: 4 }), async (history) => {
      const { agent, host } = memberHost();
      for (const { own, others } of history) {
        agent.workloads = own.map((name) => member(`own-${name}`, name));
        const options = others.map((list) =>
          list === null ? undefined : { workloads: list.map((name) => member(name, name)) },
        );
        const map = meshWith({}, ...options);
        assert.deepEqual((await agent.pass(map)).result.failures, []);
        assert.deepEqual((await agent.pass(map)).steps, []);
        for (const [name, vni] of [['lan', 4097] as const, ['lan2', 16_777_215] as const]) {
          const link = host.main.links.get(`wx-${vni}`);
          const members = others.flatMap((list, i) => (list?.includes(name) === true ? `10.86.0.${i + 2}` : []));
          assert.deepEqual(link?.entries.map(({ dst }) => dst).sort(), own.includes(name) ? members : undefined);
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('a host that is not in its own map is in no segment', () => {
  const wish = {
    map: meshWith(undefined, inLan),
    settings: settingsOf(1),
    self: undefined,
    workloads: [member('own', 'lan')],
    peers: [],
    claims: [],
    addresses: [],
    mtu: 1420,
  };
  assert.deepEqual(desireSegments(wish), { segments: [], refusals: [] });
});
