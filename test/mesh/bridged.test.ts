import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Capture, type Recording, kindOf, startCapture } from '../support/capture.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openMesh } from '../support/lab.ts';
import { listenForDatagrams, sendDatagram } from '../support/multicast.ts';
import { inside, makeNamespace, runInside } from '../support/namespace.ts';
import { startProcess } from '../support/process.ts';
import { takeSnapshot } from '../support/snapshot.ts';
import { readLoss } from '../support/traffic.ts';
import { until } from '../support/wait.ts';

/** A segment on the first two of three hosts; the third has none of it until it joins. */
let lab: Lab;
let h1: LabHost;
let h2: LabHost;
let h3: LabHost;

interface Joined {
  address: string | null;
  interface: string;
  mtu: number;
  bridge: string;
}

before(async () => {
  lab = await openMesh(3);
  const [a, b, c] = lab.hosts;
  if (a === undefined || b === undefined || c === undefined) throw new Error('no hosts');
  [h1, h2, h3] = [a, b, c];
  await declare('lan');
  for (const [host, n] of [
    [h1, 1],
    [h2, 2],
  ] as const) {
    await makeNamespace(boxOf(host));
    await join(host, 'lan', '--ip', `192.168.77.${n}/24`, '--ip', `fd77::${n}/64`);
  }
  await until('the members reach each other', { seconds: 15 }, () => canPing(boxOf(h1), '192.168.77.2'));
});
after(() => lab?.close());

const boxOf = (host: LabHost): string => `${host.namespace}box`;

async function declare(name: string): Promise<void> {
  await lab.server.admin('segment', 'add', name, '--bridged');
}

/** Also a moment after the segment was made: the agent waits for a kind that is on its way. */
async function join(host: LabHost, segment: string, ...args: string[]): Promise<Joined> {
  const argv = ['attach', `netns:${boxOf(host)}`, '--segment', segment, ...args, '--json'];
  const { stdout } = await host.warren(argv);
  return JSON.parse(stdout) as Joined;
}

async function canPing(namespace: string, target: string, ...args: string[]): Promise<boolean> {
  const argv = ['ping', '-n', '-c', '1', '-W', '1', ...args, target];
  const { exitCode } = await runInside(namespace, argv, { okCodes: 'any' });
  return exitCode === 0;
}

async function neighbour(namespace: string, address: string): Promise<string> {
  const { stdout } = await runInside(namespace, ['ip', 'neigh', 'show', address]);
  return /lladdr (\S+)/.exec(stdout)?.[1] ?? 'none';
}

async function macOf(namespace: string, link: string): Promise<string> {
  const { stdout } = await runInside(namespace, ['ip', '-j', 'link', 'show', 'dev', link]);
  return (JSON.parse(stdout) as { address: string }[])[0]?.address ?? '';
}

const segmentLinks = async (host: LabHost): Promise<string[]> =>
  (await takeSnapshot(host.namespace)).links
    .map((link) => link.split(' ')[0] ?? '')
    .filter((link) => /^w[bx]-/.test(link));

/** Where the host floods to. */
async function floodedTo(host: LabHost): Promise<string[]> {
  const [vxlan = 'none'] = (await segmentLinks(host)).filter((link) => link.startsWith('wx'));
  const { stdout } = await host.run(['bridge', '-j', 'fdb', 'show', 'dev', vxlan], { okCodes: 'any' });
  const entries = JSON.parse(stdout === '' ? '[]' : stdout) as { mac: string; dst?: string }[];
  return entries.flatMap(({ mac, dst }) => (mac === '00:00:00:00:00:00' ? (dst ?? []) : [])).sort();
}

async function overlayOf(host: LabHost): Promise<string> {
  const [address = ''] = (await host.status())['addresses'] as string[];
  return address;
}

const record = (host: LabHost, name: string, ...filter: string[]): Promise<Capture> =>
  startCapture(host.namespace, `${host.dir}/${name}.pcap`, ...filter);

test('ARP resolves across hosts, to the other container itself, and IPv6 finds its neighbour', async () => {
  assert.equal(await neighbour(boxOf(h1), '192.168.77.2'), await macOf(boxOf(h2), 'eth1'));
  await until('IPv6 reaches', { seconds: 5 }, () => canPing(boxOf(h1), 'fd77::2'));
  assert.equal(await neighbour(boxOf(h1), 'fd77::2'), await macOf(boxOf(h2), 'eth1'));
});

test('broadcast and multicast arrive at the member, and the host without members sees nothing of them', async () => {
  const foreign = await record(h3, 'foreign', 'udp', 'port', '4789');
  const wire = await record(h2, 'wire');
  const group = await listenForDatagrams(boxOf(h2), '192.168.77.2', 5000, `${h2.dir}/group.log`, '239.7.7.7');
  const all = await listenForDatagrams(boxOf(h2), '192.168.77.2', 5001, `${h2.dir}/all.log`);
  await sendDatagram(boxOf(h1), '192.168.77.1', '239.7.7.7', 5000, 'to-the-group');
  await sendDatagram(boxOf(h1), '192.168.77.1', '192.168.77.255', 5001, 'to-everybody');
  await until('the group hears', { seconds: 5 }, () => group.output().includes('192.168.77.1 to-the-group'));
  await until('everybody hears', { seconds: 5 }, () => all.output().includes('192.168.77.1 to-everybody'));
  await Promise.all([group.stop(), all.stop()]);
  assert.deepEqual((await foreign.stop()).packets, []);
  await assertEncrypted(await wire.stop());
});

/** On the underlay there is WireGuard and nothing that could be read; on the tunnel the text is seen. */
async function assertEncrypted(recording: Recording): Promise<void> {
  assert.ok(recording.count('to-the-group') > 0, 'the tunnel itself carries it');
  const isUnderlay = (address: string): boolean => address.startsWith('10.0.0.');
  const onWire = recording.packets.filter(({ source, target }) => isUnderlay(source) && isUnderlay(target));
  assert.ok(onWire.length > 0);
  for (const packet of onWire) {
    assert.notEqual(kindOf(packet, lab.server.port), 'other', `${packet.source} > ${packet.target}`);
    assert.ok(!packet.payload.includes('to-the-group') && packet.targetPort !== 4789);
  }
}

test('frames of full size pass unfragmented, and packets of 1,400 bytes pass', async () => {
  const { mtu } = await join(h1, 'lan', '--ip', '192.168.77.1/24', '--ip', 'fd77::1/64');
  assert.equal(await canPing(boxOf(h1), '192.168.77.2', '-M', 'do', '-s', String(mtu - 28)), true);
  assert.equal(await canPing(boxOf(h1), '192.168.77.2', '-M', 'do', '-s', String(mtu - 27)), false);
  assert.equal(await canPing(boxOf(h1), '192.168.77.2', '-s', '1372'), true);
});

test('frames that are no IP cross as well', async () => {
  const sniff = await startCapture(boxOf(h2), `${h2.dir}/odd.pcap`, 'ether', 'proto', '0x88b5');
  const send = `import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth1', 0)); s.send(b'\\xff' * 6 + b'\\x02\\x00\\x00\\x00\\x00\\x09' + b'\\x88\\xb5' + b'not-ip-at-all' * 4)`;
  await runInside(boxOf(h1), ['python3', '-c', send]);
  await until('the frame is on the other side', { seconds: 5 }, async () => {
    const { stdout } = await h2.run(['cat', `${h2.dir}/odd.pcap`], { okCodes: 'any' });
    return stdout.includes('not-ip-at-all');
  });
  assert.equal((await sniff.stop()).packets.length, 1);
});

test('the host is not in the segment: it answers no ARP there and routes nothing out of it', async () => {
  const [bridge = ''] = await segmentLinks(h1);
  const [gateway] = (await h1.status())['leases'] as string[];
  const target = (gateway ?? '').replace(/\.0\/24$/, '.1');
  await runInside(boxOf(h1), ['ip', 'route', 'replace', `${target}/32`, 'dev', 'eth1']);
  assert.equal(await canPing(boxOf(h1), target), false);
  assert.equal(await neighbour(boxOf(h1), target), 'none');
  const mac = await macOf(h1.namespace, bridge);
  const next = '192.168.77.200';
  await runInside(boxOf(h1), ['ip', 'neigh', 'replace', next, 'lladdr', mac, 'dev', 'eth1']);
  await runInside(boxOf(h1), ['ip', 'neigh', 'replace', target, 'lladdr', mac, 'dev', 'eth1']);
  assert.equal(await canPing(boxOf(h1), target), false);
  const far = h2.containers[0]?.addresses[0] ?? '';
  await runInside(boxOf(h1), ['ip', 'route', 'replace', `${far}/32`, 'via', next, 'dev', 'eth1']);
  const watch = await startCapture(h2.namespace, `${h2.dir}/routed.pcap`, 'icmp', 'and', 'src', '192.168.77.1');
  assert.equal(await canPing(boxOf(h1), far), false);
  assert.deepEqual((await watch.stop()).packets, []);
  await runInside(boxOf(h1), ['ip', 'route', 'flush', 'root', `${far}/32`]);
  await runInside(boxOf(h1), ['ip', 'route', 'flush', 'root', `${target}/32`]);
});

/** One broadcast frame with a marker, wrapped in VXLAN by hand. */
const forge = `
import socket, sys
vni, target = int(sys.argv[1]), sys.argv[2]
inner = b'\\xff' * 6 + b'\\x02\\x00\\x00\\x00\\x00\\x66' + b'\\x88\\xb5' + b'forged-frame' * 5
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b'\\x08\\0\\0\\0' + vni.to_bytes(3, 'big') + b'\\0' + inner, (target, 4789))
`;

test('nobody else gets a frame in: not from the underlay, a host without members, a container, or a process here', async () => {
  const [bridge = ''] = await segmentLinks(h1);
  const vni = bridge.slice('wb-'.length);
  const overlay = await overlayOf(h2);
  const sniff = await startCapture(boxOf(h2), `${h2.dir}/forged.pcap`, 'ether', 'proto', '0x88b5');
  const dropped = async (host: LabHost, chain: string): Promise<number> => {
    const { stdout } = await host.run(['nft', '-j', 'list', 'chain', 'inet', 'warren', chain]);
    return [...stdout.matchAll(/"packets": (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  const before = (await dropped(h2, 'check_segments')) + (await dropped(h1, 'send_segments'));
  const send = (namespace: string, target: string) =>
    runInside(namespace, ['python3', '-c', forge, vni, target], { okCodes: 'any' });
  await send(lab.server.namespace, h2.address);
  await send(h3.namespace, overlay);
  await send(h3.containers[0]?.namespace ?? '', overlay);
  await send(h1.containers[0]?.namespace ?? '', overlay);
  await send(h2.containers[0]?.namespace ?? '', overlay);
  await send(h1.namespace, overlay);
  await until('each was dropped', { seconds: 5 }, async () => {
    const now = (await dropped(h2, 'check_segments')) + (await dropped(h1, 'send_segments'));
    return now - before >= 6;
  });
  assert.ok(await canPing(boxOf(h1), '192.168.77.2'));
  assert.deepEqual((await sniff.stop()).packets, []);
});

test('a host joins, is flooded to, and leaves again without a trace', async () => {
  const clean = await takeSnapshot(h3.namespace);
  await makeNamespace(boxOf(h3));
  const joined = await join(h3, 'lan', '--interface', 'lan0', '--ip', '192.168.77.3/24');
  assert.deepEqual([joined.address, joined.interface], ['192.168.77.3', 'lan0']);
  await until('it reaches the others', { seconds: 10 }, async () => {
    return (await canPing(boxOf(h3), '192.168.77.1')) && (await canPing(boxOf(h3), '192.168.77.2'));
  });
  assert.equal((await floodedTo(h1)).length, 2);
  await h3.warren(['detach', `netns:${boxOf(h3)}`]);
  await until('nobody floods to it', { seconds: 10 }, async () => {
    const all = [...(await floodedTo(h1)), ...(await floodedTo(h2))];
    return all.length === 2 && !all.includes(await overlayOf(h3));
  });
  const left = await takeSnapshot(h3.namespace);
  assert.deepEqual([left.links, left.routes, left.tables], [clean.links, clean.routes, clean.tables]);
});

test('what somebody deletes comes back', async () => {
  const [bridge = '', vxlan = ''] = await segmentLinks(h1);
  const remote = await overlayOf(h2);
  for (const damage of [
    ['ip', 'link', 'del', vxlan],
    ['ip', 'link', 'del', bridge],
    ['ip', 'link', 'set', vxlan, 'nomaster'],
    // The entry is nothing the kernel tells of; the link is.
    ['sh', '-c', `bridge fdb del 00:00:00:00:00:00 dev ${vxlan} dst ${remote} && ip link set ${vxlan} down`],
  ]) {
    await h1.run(damage);
    await until(`it is repaired after ${damage.join(' ')}`, { seconds: 10 }, async () => {
      await runInside(boxOf(h1), ['ip', 'neigh', 'flush', 'dev', 'eth1'], { okCodes: 'any' });
      return (await floodedTo(h1)).includes(remote) && (await canPing(boxOf(h1), '192.168.77.2'));
    });
  }
});

test('a firewall that drops what is forwarded, and bridged frames with it, does not stop them', async () => {
  await h2.run(['sysctl', '-w', 'net.bridge.bridge-nf-call-iptables=1'], { okCodes: 'any' });
  for (const table of ['iptables', 'ip6tables']) await h2.run([table, '-P', 'FORWARD', 'DROP']);
  await until('frames pass', { seconds: 10 }, async () => {
    return (await canPing(boxOf(h1), '192.168.77.2')) && (await canPing(boxOf(h1), 'fd77::2'));
  });
  const { stdout } = await h2.run(['iptables-save', '-t', 'filter']);
  assert.match(stdout, /-A FORWARD -i (wb-\d+) -o \1 .*-j ACCEPT/);
});

test('several segments stand side by side, the same container in two and on the lease', async () => {
  await declare('lan2');
  const l3 = h1.containers[0];
  assert.ok(l3 !== undefined);
  await until('it joins', { seconds: 10 }, async () => {
    const argv = ['attach', `netns:${l3.namespace}`, '--segment', 'lan2', '--ip', '192.168.88.1/24', '--json'];
    return (await h1.warren(argv)).stdout !== '';
  });
  await join(h2, 'lan2', '--interface', 'eth2', '--ip', '192.168.88.2/24');
  await until('lan2 works', { seconds: 10 }, () => canPing(l3.namespace, '192.168.88.2'));
  assert.ok(await canPing(l3.namespace, h2.containers[0]?.addresses[0] ?? ''), 'its address on the lease works on');
  assert.ok(await canPing(boxOf(h1), '192.168.77.2'), 'the first segment works on');
  await runInside(l3.namespace, ['ip', 'addr', 'add', '192.168.77.9/24', 'dev', 'eth1']);
  assert.equal(await canPing(boxOf(h1), '192.168.77.9'), false);
  assert.equal((await segmentLinks(h1)).length, 4);
});

test('an agent that is killed and started again loses not one packet of the segment', async () => {
  const argv = inside(boxOf(h1), ['ping', '-n', '-i', '0.02', '192.168.77.2']);
  const ping = startProcess(argv, { logFile: `${h1.dir}/ping.log` });
  await until('pings are answered', { seconds: 5 }, () => /icmp_seq=5 /.test(ping.output()));
  await h1.stopAgent('SIGKILL');
  await h2.stopAgent('SIGTERM');
  await h1.startAgent();
  await h2.startAgent();
  await h1.waitUntil('ready');
  await h2.waitUntil('ready');
  await ping.stop('SIGINT');
  assert.deepEqual(readLoss('h1 -> h2', ping.output()).lost, []);
  const { stdout: list } = await h1.warren(['attach', 'ls', '--json']);
  assert.equal(
    (JSON.parse(list) as { items: { segment: string | null }[] }).items.filter((one) => one.segment).length,
    2,
  );
});

test('leave takes everything of it away', async () => {
  await h2.warren(['leave']);
  assert.deepEqual(await segmentLinks(h2), []);
  assert.doesNotMatch((await takeSnapshot(h2.namespace)).tables.join(), /4789/);
  await until('the others forget it', { seconds: 10 }, async () => (await floodedTo(h1)).length === 0);
});
