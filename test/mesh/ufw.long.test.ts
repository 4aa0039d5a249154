import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LabContainer } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { whyNoPlatforms } from '../support/lab-platforms.ts';
import { type Ufw, makeUfw } from '../support/lab-ufw.ts';
import { type Lab, openMesh } from '../support/lab.ts';
import { waitUntilWorks } from '../support/works-beside.ts';

/** A host with Debian's UFW that denies what comes in and what passes, in a mesh with one that has none. */
const skip = whyNoPlatforms() ?? false;
let lab: Lab;
let host: LabHost;
let ufw: Ufw;
let ours: LabContainer;
let far: LabContainer;

before(async () => {
  if (skip !== false) return;
  lab = await openMesh(1);
  host = await lab.addHost();
  ufw = makeUfw(host);
  await ufw('default', 'deny', 'incoming');
  await ufw('default', 'deny', 'routed');
  await ufw('--force', 'enable');
  await host.join(await lab.token());
  await host.startAgent();
  await host.waitUntil('ready');
  ours = await host.addContainer();
  far = lab.hosts[0]?.containers[0] ?? assert.fail('no container');
});
after(() => lab?.close());

const works = (): Promise<boolean> => waitUntilWorks({ host, ours, far });

/** Rules of iptables that are UFW's own or nobody's. */
async function foreignRules(): Promise<string[]> {
  const { stdout } = await host.run(['iptables-save']);
  return stdout.split('\n').filter((line) => line.startsWith('-A') && !/comment\s+"?warren/.test(line));
}

test('containers, names and the way outside work beside UFW, and status has nothing to say', { skip }, async () => {
  await works();
  assert.match(await ufw('status', 'verbose'), /^Status: active\n[^]*deny \(incoming\)[^]*deny \(routed\)/);
  // What must be overcome is really there.
  assert.match((await host.run(['iptables-save'])).stdout, /^:INPUT DROP[^]*^:FORWARD DROP/m);
  assert.deepEqual(((await host.status()) as { failures: unknown[] }).failures, []);
});

test('the port of the tunnels is open to whoever speaks first, and nothing else of the host is', { skip }, async () => {
  const { stdout } = await host.run(['iptables', '-S', 'INPUT']);
  const opened = stdout.split('\n').filter((line) => line.endsWith('-j ACCEPT'));
  const inside = [host.interfaceName, 'warren-br'].map((name) => ` INPUT -i ${name} `);
  const outside = opened.filter((line) => !inside.some((one) => line.includes(one)));
  assert.equal(outside.length, 1, opened.join('\n'));
  assert.match(outside[0] ?? '', / ! -i \S+ -p udp -m udp --dport \d+ /);
});

for (const [what, act] of [
  ['UFW reloads', () => ufw('reload')],
  ['UFW is disabled', () => ufw('disable')],
  ['UFW is enabled again', () => ufw('--force', 'enable')],
  ['a rule of its own is added', () => ufw('allow', '22/tcp')],
] as const) {
  test(`everything works again when ${what}`, { skip }, async () => {
    await act();
    await works();
  });
}

test('leave takes our rules away, and what UFW has stays', { skip }, async () => {
  const before = await foreignRules();
  await host.warren(['leave', '--purge']);
  assert.doesNotMatch((await host.run(['iptables-save'])).stdout, /warren/);
  assert.deepEqual(await foreignRules(), before);
  assert.match(await ufw('status'), /^Status: active\n/);
});
