/** Every form of pipework that this machine can do, with the kernel's own view of the result. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openMesh } from '../support/lab.ts';
import { startCapture } from '../support/capture.ts';
import { makeNamespace, runInside } from '../support/namespace.ts';
import { startProcess } from '../support/process.ts';
import { until } from '../support/wait.ts';

let lab: Lab;
let host: LabHost;
const space = (name: string): string => `${host.namespace}${name}`;

interface Link {
  ifname: string;
  address: string;
  mtu: number;
  ifalias?: string;
  master?: string;
  linkinfo?: { info_kind?: string; info_data?: { mode?: string } };
  addr_info: { local: string; prefixlen: number; scope: string }[];
}

before(async () => {
  lab = await openMesh(1);
  const [first] = lab.hosts;
  if (first === undefined) throw new Error('no host');
  host = first;
  // Two network cards of the host, each with the other end of its wire in a namespace called lan.
  await makeNamespace(space('lan'));
  for (const [card, other] of [
    ['card0', 'lan0'],
    ['card1', 'lan1'],
  ] as const) {
    const wire = ['type', 'veth', 'peer', 'name', other, 'netns', space('lan')];
    await host.run(['ip', 'link', 'add', card, 'mtu', '1400', ...wire]);
    await host.run(['ip', 'link', 'set', card, 'up']);
    await runInside(space('lan'), ['ip', 'link', 'set', other, 'up']);
  }
  await runInside(space('lan'), ['ip', 'addr', 'add', '192.168.50.1/24', 'dev', 'lan0']);
});
after(() => lab?.close());

async function linksOf(namespace: string): Promise<Map<string, Link>> {
  const { stdout } = await runInside(namespace, ['ip', '-j', '-d', 'addr', 'show']);
  return new Map((JSON.parse(stdout) as Link[]).map((link) => [link.ifname, link]));
}

async function linkOf(namespace: string, name: string): Promise<Link> {
  const link = (await linksOf(namespace)).get(name);
  assert.ok(link, `${namespace} has no ${name}`);
  return link;
}

const addressesOf = (link: Link): string[] =>
  link.addr_info.filter(({ scope }) => scope !== 'link').map(({ local, prefixlen }) => `${local}/${prefixlen}`);

async function routesOf(namespace: string): Promise<string> {
  const { stdout } = await runInside(namespace, ['ip', 'route', 'show']);
  return stdout;
}

async function attach(name: string, ...args: string[]): Promise<void> {
  await makeNamespace(space(name));
  await host.warren(['attach', `netns:${space(name)}`, ...args]);
}

test('P1: a bridge called br… is made, and holds a veth with MTU, address and gateway', async () => {
  await attach('p1', '--bridge', 'br-pw', '--ifname', 'eth1', '--ip', '192.168.60.5/24@192.168.60.1');
  const link = await linkOf(space('p1'), 'eth1');
  assert.equal(link.linkinfo?.info_kind, 'veth');
  assert.equal(link.mtu, 1500);
  assert.deepEqual(addressesOf(link), ['192.168.60.5/24']);
  assert.match(await routesOf(space('p1')), /default via 192\.168\.60\.1 dev eth1/);
  const ports = [...(await linksOf(host.namespace)).values()].filter(({ master }) => master === 'br-pw');
  assert.equal(ports.length, 1);
});

test('P1: an existing bridge is used with its MTU, and one that is missing is said to be', async () => {
  await host.run(['ip', 'link', 'add', 'lanbridge', 'mtu', '1300', 'type', 'bridge']);
  await attach('p1b', '--bridge', 'lanbridge', '--ip', '192.168.61.5/24');
  assert.equal((await linkOf(space('p1b'), 'eth0')).mtu, 1300);
  await makeNamespace(space('p1c'));
  const { exitCode, stderr } = await host.warren(['attach', `netns:${space('p1c')}`, '--bridge', 'nobridge'], {
    okCodes: 'any',
  });
  assert.equal(exitCode, 1);
  assert.match(stderr, /no bridge nobridge/);
  await host.warren(['detach', `netns:${space('p1c')}`]);
});

test('P3, P5: no address, and a MAC address made of a text, the same as pipework makes', async () => {
  await attach('p3', '--bridge', 'br-pw', '--ip', '0/0', '--mac', 'U:web');
  const link = await linkOf(space('p3'), 'eth0');
  assert.deepEqual(addressesOf(link), []);
  // printf web | md5sum | head -c 10
  assert.equal(link.address, '02:25:67:a5:ec:97');
});

test('P4: a gateway off the link is reached all the same', async () => {
  await attach('p4', '--bridge', 'br-pw', '--ip', '192.168.60.9/32@192.168.60.1');
  const routes = await routesOf(space('p4'));
  assert.match(routes, /default via 192\.168\.60\.1 dev eth0/);
  assert.match(routes, /^192\.168\.60\.1 dev eth0/m);
});

test('P6: a network card by name and by MAC address carries macvlan links that reach its wire', async () => {
  await attach('p6', '--phys', 'card0', '--ip', '192.168.50.7/24@192.168.50.1');
  const link = await linkOf(space('p6'), 'eth0');
  assert.equal(link.linkinfo?.info_kind, 'macvlan');
  assert.equal(link.linkinfo?.info_data?.mode, 'bridge');
  assert.equal(link.mtu, 1400);
  await runInside(space('p6'), ['ping', '-c1', '-W2', '192.168.50.1']);
  const card = await linkOf(host.namespace, 'card0');
  await attach('p6m', '--phys', `mac:${card.address}`, '--ip', '192.168.50.8/24');
  await runInside(space('p6m'), ['ping', '-c1', '-W2', '192.168.50.7']);
});

test('P6: ipvlan is made where the kernel has it, and named where it has not', async () => {
  await makeNamespace(space('p6i'));
  const target = `netns:${space('p6i')}`;
  const { exitCode, stderr } = await host.warren(['attach', target, '--phys', 'card0', '--mode', 'ipvlan'], {
    okCodes: 'any',
  });
  if (exitCode === 0) assert.equal((await linkOf(space('p6i'), 'eth0')).linkinfo?.info_kind, 'ipvlan');
  else assert.match(stderr, /this kernel has no ipvlan/);
  await host.warren(['detach', target]);
});

test('P6: a card itself is moved in, and comes back with its name', async () => {
  await attach('p6d', '--direct-phys', 'card1', '--ip', '192.168.51.7/24');
  assert.equal((await linksOf(host.namespace)).has('card1'), false);
  assert.deepEqual(addressesOf(await linkOf(space('p6d'), 'eth0')), ['192.168.51.7/24']);
  await host.warren(['detach', `netns:${space('p6d')}`]);
  const back = await linkOf(host.namespace, 'card1');
  assert.equal(back.ifalias ?? '', '');
  assert.equal((await linksOf(space('p6d'))).has('eth0'), false);
});

test("the card with the host's default route is not taken away", async () => {
  const { exitCode, stderr } = await host.warren(['attach', `netns:${space('p6d')}`, '--direct-phys', 'lo'], {
    okCodes: 'any',
  });
  assert.equal(exitCode, 1);
  assert.match(stderr, /cannot be moved/);
  await host.warren(['detach', `netns:${space('p6d')}`]);
});

test('P6: what Open vSwitch, VLANs without a wire, and several places at once are told', async () => {
  const refused = async (...args: string[]): Promise<string> => {
    const { exitCode, stderr } = await host.warren(['attach', `netns:${space('p6d')}`, ...args], { okCodes: 'any' });
    assert.equal(exitCode, 2);
    return stderr;
  };
  assert.match(await refused('--vlan', '10'), /--vlan needs --bridge or --phys/);
  assert.match(await refused('--bridge', 'br-pw', '--vlan', '4095'), /1 to 4094/);
  assert.match(await refused('--bridge', 'br-pw', '--dummy'), /choose one of/);
});

test('P1: neighbours are told of an address that is somebody else’s now, by ARP and neighbour advertisement', async () => {
  const ips = ['--ip', '192.168.60.77/24', '--ip', 'fd60::77/64'];
  await attach('watch', '--bridge', 'br-pw', '--ip', '192.168.60.70/24', '--ip', 'fd60::70/64');
  await attach('old', '--bridge', 'br-pw', ...ips, '--mac', '02:00:00:00:60:01');
  const neighbour = async (address: string): Promise<string> =>
    (await runInside(space('watch'), ['ip', 'neigh', 'show', address])).stdout;
  for (const address of ['192.168.60.77', 'fd60::77']) {
    await runInside(space('watch'), ['ping', '-c1', '-W5', address]);
    assert.match(await neighbour(address), /02:00:00:00:60:01/);
  }
  await host.warren(['detach', `netns:${space('old')}`]);
  const capture = await startCapture(space('watch'), `${host.dir}/notice.pcap`, 'arp', 'or', 'icmp6');
  await attach('new', '--bridge', 'br-pw', ...ips, '--mac', '02:00:00:00:60:02');
  await until('the neighbour knows', { seconds: 20 }, async () => {
    const known = [await neighbour('192.168.60.77'), await neighbour('fd60::77')];
    return known.every((one) => one.includes('02:00:00:00:60:02'));
  });
  const { packets } = await capture.stop();
  // Gratuitous: sender and target are the address itself (RFC 826 gives their places).
  const addresses = (payload: Buffer): string[] => [14, 24].map((at) => [...payload.subarray(at, at + 4)].join('.'));
  const gratuitous = packets.filter(({ kind }) => kind === 'arp').map(({ payload }) => addresses(payload));
  assert.ok(gratuitous.some(([sender, about]) => sender === '192.168.60.77' && about === sender));
  // Type 136, a neighbour advertisement, to all nodes.
  const told = packets.filter(({ payload, target }) => payload[0] === 136 && target === 'ff02::1');
  assert.ok(told.some(({ source }) => source === 'fd60::77'));
});

test('P7: --wait inside a container ends when its interface comes up', async () => {
  await makeNamespace(space('p7'));
  // `ip netns exec` gives it the /sys of its namespace, as a container has it.
  const within = ['ip', 'netns', 'exec', space('p7'), ...host.program];
  const waiting = startProcess([...within, 'attach', '--wait', '30', '--json'], {
    logFile: `${host.dir}/wait.log`,
  });
  await host.warren(['attach', `netns:${space('p7')}`, '--interface', 'eth1', '--bridge', 'br-pw', '--ip', '0/0']);
  await until('it has said so', { seconds: 20 }, () => /"interface": ?"eth1"/.test(waiting.output()));
});

test('P8: routes inside, given with the attachment', async () => {
  await attach('p8', '--bridge', 'br-pw', '--ip', '192.168.60.8/24', '--route', '10.99.0.0/16@192.168.60.1');
  assert.match(await routesOf(space('p8')), /10\.99\.0\.0\/16 via 192\.168\.60\.1 dev eth0/);
});

test('what was attached lasts: a namespace made anew, a link or route taken away, an agent restarted', async () => {
  for (const name of ['p1', 'p6']) {
    await host.run(['ip', 'netns', 'del', space(name)]);
    await makeNamespace(space(name));
  }
  await runInside(space('p8'), ['ip', 'route', 'del', '10.99.0.0/16']);
  await host.stopAgent('SIGKILL');
  await host.startAgent();
  await host.waitUntil('ready');
  await until('all is as it was', { seconds: 30 }, async () => {
    assert.deepEqual(addressesOf(await linkOf(space('p1'), 'eth1')), ['192.168.60.5/24']);
    assert.equal((await linkOf(space('p6'), 'eth0')).linkinfo?.info_kind, 'macvlan');
    assert.match(await routesOf(space('p8')), /10\.99\.0\.0\/16/);
    return true;
  });
});

test('the list tells where each is', async () => {
  const { stdout } = await host.warren(['attach', 'ls', '--json']);
  const { items } = JSON.parse(stdout) as { items: { target: string; place: { kind: string }; state: string }[] };
  const places = new Map(items.map((one) => [one.target, `${one.place.kind} ${one.state}`]));
  assert.equal(places.get(`netns:${space('p1')}`), 'bridge attached');
  assert.equal(places.get(`netns:${space('p6')}`), 'card attached');
});

test('after leaving nothing of it is left, and what was there before is', async () => {
  await host.warren(['leave']);
  const links = await linksOf(host.namespace);
  for (const name of ['card0', 'card1', 'lanbridge']) assert.ok(links.has(name), name);
  assert.equal(links.has('br-pw'), false);
  assert.deepEqual(
    [...links.keys()].filter((name) => name.startsWith('wv')),
    [],
  );
  for (const name of ['p1', 'p1b', 'p3', 'p4', 'p6', 'p6m', 'p8', 'watch', 'new']) {
    assert.deepEqual([...(await linksOf(space(name))).keys()], ['lo'], name);
  }
});
