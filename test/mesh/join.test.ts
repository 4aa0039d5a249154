import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Capture, countKinds, describe, kindOf, startCapture } from '../support/capture.ts';
import type { LabContainer } from '../support/lab-container.ts';
import { type Lab, fillMesh, openLab, pairs } from '../support/lab.ts';
import { measureStream } from '../support/traffic.ts';

const marker = 'CLEAR-TEXT-HERE!';

let lab: Lab;
let wire: Capture;
let containers: LabContainer[];

before(async () => {
  lab = await openLab();
  wire = await startCapture(lab.underlay.router, join(lab.dir, 'underlay.pcap'));
  await fillMesh(lab, 3, 2);
  containers = lab.hosts.flatMap((host) => host.containers);
});
after(() => lab?.close());

test('every container has an IPv4 and an IPv6 address that no other container has', () => {
  const all = containers.flatMap((container) => container.addresses);
  assert.equal(all.length, containers.length * 2);
  assert.equal(new Set(all).size, all.length);
});

for (const [family, index] of [
  ['IPv4', 0],
  ['IPv6', 1],
] as const) {
  test(`every container reaches every container of the other hosts by ${family}`, async () => {
    const pattern = Buffer.from(marker).toString('hex');
    for (const [from, to] of pairs(containers)) {
      const target = to.addresses[index] ?? '';
      await from.run(['ping', '-n', '-c', '3', '-i', '0.01', '-W', '5', '-p', pattern, target]);
    }
  });
}

test('containers of one host reach each other, and a host reaches the containers of others', async () => {
  const [first, second] = lab.hosts;
  const [a, b] = first?.containers ?? [];
  const remote = second?.containers[0];
  await a?.run(['ping', '-n', '-c', '1', '-W', '5', b?.addresses[0] ?? '']);
  await first?.run(['ping', '-n', '-c', '1', '-W', '5', remote?.addresses[0] ?? '']);
  await first?.run(['ping', '-n', '-c', '1', '-W', '5', remote?.addresses[1] ?? '']);
});

test('a container sees the real source address of the container that calls it', async () => {
  for (const [from, to] of pairs(containers).slice(0, 4)) {
    const file = join(lab.dir, `${from.name}-${to.name}.pcap`);
    const inner = await startCapture(to.namespace, file, 'icmp', 'or', 'icmp6');
    for (const target of to.addresses) await from.run(['ping', '-n', '-c', '1', '-W', '5', '-p', '4d', target]);
    const { packets } = await inner.stop();
    const requests = packets.filter(({ protocol, payload }) => payload[0] === (protocol === 1 ? 8 : 128));
    assert.deepEqual(requests.map((packet) => packet.source).sort(), [...from.addresses].sort());
  }
});

test('the wire carried WireGuard and the control connection only, and nothing in clear', async () => {
  const recording = await wire.stop();
  assert.equal(recording.missed, 0);
  const kinds = countKinds(recording, lab.server.port);
  assert.ok(kinds.wireguard > 100, `${kinds.wireguard} WireGuard packets`);
  assert.ok(kinds.control > 0);
  const others = recording.packets.filter((packet) => kindOf(packet, lab.server.port) === 'other');
  assert.deepEqual(others.map(describe), []);
  assert.equal(recording.count(marker.slice(0, 10)), 0);
});

test('packets as large as the container interface says pass unfragmented, and TCP streams flow', async () => {
  const [from, to] = pairs(containers)[0] ?? [];
  assert.ok(from !== undefined && to !== undefined);
  const { stdout } = await from.run(['ip', '-j', 'link', 'show']);
  const links = JSON.parse(stdout) as { ifname: string; mtu: number }[];
  const mtu = links.find((link) => link.ifname !== 'lo')?.mtu ?? 0;
  assert.ok(mtu >= 1280 && mtu <= 1420, `the container's MTU is ${mtu}`);
  const target = to.addresses[0] ?? '';
  await from.run(['ping', '-n', '-c', '1', '-W', '5', '-M', 'do', '-s', String(mtu - 28), target]);
  const megabits = await measureStream(from, to);
  assert.ok(megabits > 1, `${megabits} Mbit/s`);
});

test('what leaves the mesh carries the host’s address, as if the container were not there', async () => {
  const [host] = lab.hosts;
  const file = join(lab.dir, 'outside.pcap');
  const outside = await startCapture(lab.server.namespace, file, 'icmp');
  await host?.containers[0]?.run(['ping', '-n', '-c', '1', '-W', '5', '10.0.0.2']);
  const { packets } = await outside.stop();
  assert.deepEqual([...new Set(packets.map((packet) => packet.source))], [host?.address]);
});

test('status agrees: ready, and each peer with a fresh handshake', async () => {
  for (const host of lab.hosts) {
    await host.waitUntil('ready');
    const { stdout } = await host.run(['wg', 'show', host.interfaceName, 'latest-handshakes']);
    const times = stdout.split('\n').map((line) => Number(line.split('\t')[1]));
    assert.equal(times.length, lab.hosts.length - 1);
    assert.ok(times.every((time) => time > 0));
  }
});

test('ping says which way it goes and how long it takes', async () => {
  const [first, second] = lab.hosts;
  const { stdout } = (await first?.warren(['ping', second?.name ?? ''])) ?? { stdout: '' };
  assert.match(stdout, /direct/);
  assert.match(stdout, /ms/);
});
