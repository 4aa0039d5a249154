/** Attachments that get their address from a real DHCP server (busybox udhcpd) on a bridge or on a network card's wire. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startCapture } from '../support/capture.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openMesh } from '../support/lab.ts';
import { inside, makeNamespace, runInside } from '../support/namespace.ts';
import { type Running, startProcess } from '../support/process.ts';
import { until } from '../support/wait.ts';

let lab: Lab;
let host: LabHost;
let server: Running;
const space = (name: string): string => `${host.namespace}${name}`;

before(async () => {
  lab = await openMesh(1);
  const [first] = lab.hosts;
  if (first === undefined) throw new Error('no host');
  host = first;
  await makeNamespace(space('lan'));
  for (const [here, there, address] of [
    ['port0', 'lan0', '10.66.0.1/24'],
    ['card0', 'lan1', '10.67.0.1/24'],
  ] as const) {
    await host.run(['ip', 'link', 'add', here, 'up', 'type', 'veth', 'peer', 'name', there, 'netns', space('lan')]);
    await runInside(space('lan'), ['ip', 'addr', 'add', address, 'dev', there]);
    await runInside(space('lan'), ['ip', 'link', 'set', there, 'up']);
  }
  await host.run(['ip', 'link', 'add', 'lanbridge', 'up', 'type', 'bridge']);
  await host.run(['ip', 'link', 'set', 'port0', 'master', 'lanbridge']);
  server = serve('lan0', '10.66.0', 100);
  serve('lan1', '10.67.0', 100);
});
after(() => lab?.close());

/** Leases of 20 s, renewed after 10; the client takes none shorter than 16 for what it is. */
function serve(device: string, network: string, from: number): Running {
  const file = join(host.dir, `udhcpd-${device}-${from}`);
  writeFileSync(`${file}.leases`, '');
  writeFileSync(
    `${file}.conf`,
    `interface ${device}
start ${network}.${from}
end ${network}.${from + 10}
lease_file ${file}.leases
pidfile ${file}.pid
min_lease 5
option subnet 255.255.255.0
option router ${network}.1
option lease 20
`,
  );
  return startProcess(inside(space('lan'), ['busybox', 'udhcpd', '-f', `${file}.conf`]), { logFile: `${file}.log` });
}

async function addressOf(name: string, device = 'eth0'): Promise<string> {
  const { stdout } = await runInside(space(name), ['ip', '-4', '-o', 'addr', 'show', 'dev', device], {
    okCodes: 'any',
  });
  return /inet (\S+)/.exec(stdout)?.[1] ?? '';
}

/** Process ids of DHCP clients of this host, whatever namespace they live in. */
function clients(): number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const words = /^\d+$/.test(name) ? readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0') : [];
      return words.includes('udhcpc') && words.some((word) => word.startsWith(`${host.runDir}/`)) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

const acknowledged = (): number => server.output().split('sending ACK').length - 1;

test('the address comes from the server on the bridge, with its length and its router', async () => {
  await makeNamespace(space('a'));
  const { stdout } = await host.warren(['attach', `netns:${space('a')}`, '--bridge', 'lanbridge', '--dhcp', '--json']);
  const { address } = JSON.parse(stdout) as { address: string };
  assert.match(address, /^10\.66\.0\.1\d\d$/);
  assert.equal(await addressOf('a'), `${address}/24`);
  await until('there is a default route', { seconds: 20 }, async () =>
    (await runInside(space('a'), ['ip', 'route'])).stdout.includes('default via 10.66.0.1 dev eth0'),
  );
  await runInside(space('a'), ['ping', '-c1', '-W2', '10.66.0.1']);
  assert.match((await host.warren(['attach', 'ls'])).stdout, new RegExp(address));
  assert.equal(clients().length, 1);
});

test('the lease is renewed, also by a client whose agent was killed; the next agent goes on with that client', async () => {
  const [address, before] = [await addressOf('a'), clients()];
  await host.stopAgent('SIGKILL');
  const count = acknowledged();
  await until('it was renewed without an agent', { seconds: 40 }, () => acknowledged() > count);
  assert.equal(await addressOf('a'), address);
  await host.startAgent();
  await host.waitUntil('ready');
  assert.deepEqual(clients(), before);
  assert.equal(await addressOf('a'), address);
});

test('a client that dies is started again and asks for the same address', async () => {
  const address = await addressOf('a');
  const [pid = 0] = clients();
  process.kill(pid, 'SIGKILL');
  await until('another one has it', { seconds: 30 }, async () => {
    const [now] = clients();
    return now !== undefined && now !== pid && (await addressOf('a')) === address;
  });
});

test('a namespace made anew gets the same address, and no client stays in the old one', async () => {
  const address = await addressOf('a');
  const [pid] = clients();
  await host.run(['ip', 'netns', 'del', space('a')]);
  await makeNamespace(space('a'));
  await until('it has its address', { seconds: 40 }, async () => (await addressOf('a')) === address);
  await until('one client is left', { seconds: 20 }, () => clients().length === 1 && clients()[0] !== pid);
});

test('the server on a network card’s wire is asked by a macvlan link', async () => {
  await makeNamespace(space('b'));
  await host.warren([
    'attach',
    `netns:${space('b')}`,
    '--phys',
    'card0',
    '--dhcp',
    'udhcpc',
    '--route',
    '10.9.0.0/16@10.67.0.1',
  ]);
  assert.match(await addressOf('b'), /^10\.67\.0\.1\d\d\/24$/);
  assert.match((await runInside(space('b'), ['ip', 'route'])).stdout, /10\.9\.0\.0\/16 via 10\.67\.0\.1 dev eth0/);
});

test('detaching releases the lease, and ends the client', async () => {
  const capture = await startCapture(space('lan'), `${host.dir}/release.pcap`, 'udp', 'port', '67');
  await host.warren(['detach', `netns:${space('a')}`]);
  await until('the client has ended', { seconds: 10 }, () => clients().length === 1);
  const { packets } = await capture.stop();
  // Option 53, message type 7: DHCPRELEASE (RFC 2132 section 9.6).
  assert.ok(packets.some(({ payload, target }) => target === '10.66.0.1' && payload.includes(Buffer.from([53, 1, 7]))));
  assert.equal(clients().length, 1);
  assert.equal(await addressOf('a'), '');
});

test('where nobody answers that is said, and asking goes on until somebody does', async () => {
  await host.run(['ip', 'link', 'set', 'port0', 'nomaster']);
  const target = `netns:${space('a')}`;
  const { exitCode, stderr } = await host.warren(['attach', target, '--bridge', 'lanbridge', '--dhcp'], {
    okCodes: 'any',
  });
  // As everywhere: 5 is for what cannot be reached.
  assert.equal(exitCode, 5);
  assert.match(stderr, /no DHCP server has answered/);
  await host.run(['ip', 'link', 'set', 'port0', 'master', 'lanbridge']);
  await until('it has an address', { seconds: 40 }, async () => (await addressOf('a')) !== '');
});

test('what makes no sense with it is refused, naming the option', async () => {
  const refused = async (...args: string[]): Promise<string> => {
    const { exitCode, stderr } = await host.warren(['attach', `netns:${space('b')}`, ...args], { okCodes: 'any' });
    assert.equal(exitCode, 2);
    return stderr;
  };
  assert.match(await refused('--dhcp'), /--bridge, --phys/);
  assert.match(await refused('--bridge', 'lanbridge', '--dhcp', '--ip', '10.0.0.1/24'), /leave out --ip/);
  assert.match(await refused('--bridge', 'lanbridge', '--dhcp', 'dhclient'), /no DHCP client that Warren runs/);
  assert.match(await refused('--segment', 'nowhere', '--dhcp'), /no bridged segment/);
});

test('after leaving no client and no link on a card is left, and a card is back, also where no agent runs any more', async () => {
  await makeNamespace(space('c'));
  await host.run(['ip', 'link', 'add', 'spare', 'type', 'veth', 'peer', 'name', 'lan2', 'netns', space('lan')]);
  await host.warren(['attach', `netns:${space('c')}`, '--direct-phys', 'spare', '--ip', '10.68.0.7/24']);
  await host.stopAgent('SIGKILL');
  assert.ok(clients().length > 0);
  await host.warren(['leave']);
  assert.deepEqual(clients(), []);
  for (const name of ['b', 'c']) {
    const { stdout } = await runInside(space(name), ['ip', '-j', 'link', 'show']);
    assert.deepEqual(
      (JSON.parse(stdout) as { ifname: string }[]).map(({ ifname }) => ifname),
      ['lo'],
    );
  }
  assert.doesNotMatch((await host.run(['ip', 'link', 'show', 'dev', 'spare'])).stdout, /alias/);
});
