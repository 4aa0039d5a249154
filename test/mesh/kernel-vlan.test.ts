/**
 * VLANs and dummies of attachments, with the kernel's own view of the result: for real where this kernel has them (in the
 * guest of `npm run test:kernel`), else that the agent says what the kernel lacks, and leaves nothing half made.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openMesh } from '../support/lab.ts';
import { makeNamespace, runInside } from '../support/namespace.ts';
import { until } from '../support/wait.ts';

let lab: Lab;
let host: LabHost;
let has: { filtering: boolean; links: boolean; dummies: boolean };
const space = (name: string): string => `${host.namespace}${name}`;

before(async () => {
  lab = await openMesh(1);
  const [first] = lab.hosts;
  if (first === undefined) throw new Error('no host');
  host = first;
  await makeNamespace(space('lan'));
  await host.run(['ip', 'link', 'add', 'card0', 'type', 'veth', 'peer', 'name', 'lan0', 'netns', space('lan')]);
  await host.run(['ip', 'link', 'set', 'card0', 'up']);
  await runInside(space('lan'), ['ip', 'link', 'set', 'lan0', 'up']);
  const makes = async (...argv: string[]): Promise<boolean> => {
    const { exitCode } = await runInside(space('lan'), ['ip', 'link', 'add', ...argv], { okCodes: 'any' });
    if (exitCode === 0) await runInside(space('lan'), ['ip', 'link', 'del', 'probe']);
    return exitCode === 0;
  };
  has = {
    filtering: await makes('probe', 'type', 'bridge', 'vlan_filtering', '1'),
    links: await makes('link', 'lan0', 'name', 'probe', 'type', 'vlan', 'id', '9'),
    dummies: await makes('probe', 'type', 'dummy'),
  };
});
after(() => lab?.close());

async function attach(name: string, ...args: string[]): Promise<{ exitCode: number; stderr: string }> {
  await makeNamespace(space(name));
  return host.warren(['attach', `netns:${space(name)}`, ...args], { okCodes: 'any' });
}

const detach = (name: string) => host.warren(['detach', `netns:${space(name)}`]);

async function reaches(from: string, address: string): Promise<boolean> {
  const { exitCode } = await runInside(space(from), ['ping', '-c1', '-W2', address], { okCodes: 'any' });
  return exitCode === 0;
}

interface Port {
  ifname: string;
  vlans: { vlan: number; flags?: string[] }[];
}

async function portsOf(bridge: string): Promise<Map<string, string[]>> {
  const links = JSON.parse((await host.run(['ip', '-j', 'link', 'show', 'master', bridge])).stdout) as Port[];
  const names = new Set(links.map(({ ifname }) => ifname));
  const ports = JSON.parse((await host.run(['bridge', '-j', 'vlan', 'show'])).stdout) as Port[];
  return new Map(
    ports
      .filter(({ ifname }) => names.has(ifname))
      .map(({ ifname, vlans }) => [ifname, vlans.map(({ vlan, flags = [] }) => [vlan, ...flags].join(' '))]),
  );
}

const hasLink = async (name: string): Promise<boolean> =>
  (await host.run(['ip', 'link', 'show', name], { okCodes: 'any' })).exitCode === 0;

test('a bridge of ours keeps VLANs apart: one VLAN is one Ethernet, and an untagged port is in none of them', async () => {
  const first = await attach('a', '--bridge', 'br-vl', '--vlan', '10', '--ip', '192.168.70.5/24');
  if (!has.filtering) {
    assert.equal(first.exitCode, 1);
    assert.match(first.stderr, /bridges of this kernel cannot keep VLANs apart/);
    await detach('a');
    assert.equal((await host.run(['ip', '-o', 'link', 'show', 'type', 'veth'])).stdout.includes('br-vl'), false);
    return;
  }
  assert.equal(first.exitCode, 0, first.stderr);
  await attach('b', '--bridge', 'br-vl', '--vlan', '10', '--ip', '192.168.70.6/24');
  await attach('c', '--bridge', 'br-vl', '--vlan', '@20', '--ip', '192.168.70.7/24');
  await attach('d', '--bridge', 'br-vl', '--ip', '192.168.70.8/24');
  const ports = [...(await portsOf('br-vl')).values()].map((vlans) => vlans.join(', '));
  assert.deepEqual(
    ports.sort(),
    [1, 10, 10, 20].map((vlan) => `${vlan} PVID Egress Untagged`),
  );
  assert.equal(await reaches('a', '192.168.70.6'), true);
  assert.equal(await reaches('a', '192.168.70.7'), false);
  assert.equal(await reaches('a', '192.168.70.8'), false);
  assert.match((await host.warren(['attach', 'ls'])).stdout, /br-vl VLAN 10/);
});

test('VLANs that somebody takes away come back', async () => {
  if (!has.filtering) return;
  const [port] = [...(await portsOf('br-vl'))].find(([, vlans]) => vlans[0]?.startsWith('20 ') === true) ?? [];
  assert.ok(port);
  await host.run(['bridge', 'vlan', 'add', 'dev', port, 'vid', '10', 'pvid', 'untagged']);
  await host.run(['ip', 'link', 'set', 'br-vl', 'type', 'bridge', 'vlan_filtering', '0']);
  await until('they are apart again', { seconds: 40 }, async () => {
    assert.deepEqual((await portsOf('br-vl')).get(port), ['20 PVID Egress Untagged']);
    const { stdout } = await host.run(['ip', '-d', 'link', 'show', 'br-vl']);
    return stdout.includes('vlan_filtering 1');
  });
});

test("somebody else's bridge is not changed: the remedy is named, and taken up once it is done", async () => {
  if (!has.filtering) return;
  await host.run(['ip', 'link', 'add', 'lanbridge', 'up', 'type', 'bridge']);
  const { exitCode, stderr } = await attach('e', '--bridge', 'lanbridge', '--vlan', '10', '--ip', '192.168.71.5/24');
  assert.equal(exitCode, 1);
  assert.match(stderr, /lanbridge does not keep VLANs apart.*vlan_filtering 1/);
  await host.run(['ip', 'link', 'set', 'lanbridge', 'type', 'bridge', 'vlan_filtering', '1']);
  await until('it is attached', { seconds: 40 }, async () =>
    [...(await portsOf('lanbridge')).values()].some(([only]) => only === '10 PVID Egress Untagged'),
  );
});

test('a network card has a link for the VLAN as long as something is attached by it', async () => {
  const ips = ['192.168.72.5', '192.168.72.6'] as const;
  const first = await attach('f', '--phys', 'card0', '--vlan', '30', '--ip', `${ips[0]}/24`);
  if (!has.links) {
    assert.equal(first.exitCode, 1);
    assert.match(first.stderr, /this kernel has no VLAN links; load its module 8021q/);
    await detach('f');
    return;
  }
  assert.equal(first.exitCode, 0, first.stderr);
  await attach('g', '--phys', 'card0', '--vlan', '30', '--ip', `${ips[1]}/24`);
  assert.match((await host.run(['ip', '-d', 'link', 'show', 'card0.30'])).stdout, /vlan protocol 802\.1Q id 30/);
  assert.match((await runInside(space('f'), ['ip', '-d', 'link', 'show', 'eth0'])).stdout, /macvlan mode bridge/);
  await runInside(space('lan'), ['ip', 'link', 'add', 'link', 'lan0', 'name', 'lan0.30', 'type', 'vlan', 'id', '30']);
  await runInside(space('lan'), ['ip', 'addr', 'add', '192.168.72.1/24', 'dev', 'lan0.30']);
  await runInside(space('lan'), ['ip', 'link', 'set', 'lan0.30', 'up']);
  assert.equal(await reaches('f', '192.168.72.1'), true);
  assert.equal(await reaches('f', ips[1]), true);
  await detach('f');
  assert.equal(await hasLink('card0.30'), true);
  await detach('g');
  await until('the VLAN’s link is gone', { seconds: 20 }, async () => !(await hasLink('card0.30')));
});

test('a name that is taken, or too long, is said to be', async () => {
  await host.run(['ip', 'link', 'add', 'card0.31', 'type', 'bridge']);
  const taken = await attach('h', '--phys', 'card0', '--vlan', '31', '--ip', '0/0');
  assert.equal(taken.exitCode, 1);
  assert.match(taken.stderr, /card0\.31 is not the link of VLAN 31/);
  await detach('h');
  await host.run(['ip', 'link', 'del', 'card0.31']);
});

test('a dummy is inside alone, with its addresses, and comes back', async () => {
  const { exitCode, stderr } = await attach('i', '--dummy', '--ifname', 'dm0', '--ip', '10.77.0.1/32');
  if (!has.dummies) {
    assert.equal(exitCode, 1);
    assert.match(stderr, /this kernel has no dummy links/);
    await detach('i');
    return;
  }
  assert.equal(exitCode, 0, stderr);
  const show = ['ip', '-d', 'addr', 'show', 'dm0'];
  const { stdout } = await runInside(space('i'), show);
  assert.match(stdout, /dummy/);
  assert.match(stdout, /inet 10\.77\.0\.1\/32/);
  await runInside(space('i'), ['ip', 'link', 'del', 'dm0']);
  await until('it is there again', { seconds: 60 }, async () => {
    const again = await runInside(space('i'), show, { okCodes: 'any' });
    return again.stdout.includes('10.77.0.1/32');
  });
  await detach('i');
  assert.equal((await runInside(space('i'), show, { okCodes: 'any' })).exitCode, 1);
});

test('after leaving nothing of it is left, and what was there before is', async () => {
  await host.warren(['leave']);
  assert.equal(await hasLink('card0'), true);
  assert.equal(await hasLink('br-vl'), false);
  assert.equal(await hasLink('lanbridge'), has.filtering);
});
