import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LabContainer } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type LabFirewalld, makeFirewalld, platformFile, whyNoPlatforms } from '../support/lab-platforms.ts';
import { type Lab, openMesh } from '../support/lab.ts';
import { waitUntilWorks } from '../support/works-beside.ts';

/** A host with Debian's firewalld as it comes, in a mesh with one that has none. */
const skip = whyNoPlatforms() ?? false;
let lab: Lab;
let host: LabHost;
let firewalld: LabFirewalld;
let ours: LabContainer;
let far: LabContainer;

before(async () => {
  if (skip !== false) return;
  lab = await openMesh(1);
  host = await lab.addHost();
  firewalld = await makeFirewalld(host);
  await firewalld.start();
  host.settings['WARREN_FIREWALLD'] = platformFile('usr/lib/firewalld');
  await host.join(await lab.token());
  await host.startAgent();
  await host.waitUntil('ready');
  ours = await host.addContainer();
  far = lab.hosts[0]?.containers[0] ?? assert.fail('no container');
});
after(() => lab?.close());

const works = (): Promise<boolean> => waitUntilWorks({ host, ours, far });

test(
  'containers, names and the way outside work beside firewalld, and status has nothing to say',
  { skip },
  async () => {
    await works();
    assert.equal(await firewalld.command(`--get-zone-of-interface=${host.interfaceName}`), 'warren');
    assert.deepEqual(((await host.status()) as { failures: unknown[] }).failures, []);
  },
);

test('the port of the tunnels is open to whoever speaks first, and nothing else of the host is', { skip }, async () => {
  assert.match(await firewalld.command('--info-policy=warren-wg'), /ports: \d+\/udp/);
  assert.match(await firewalld.command('--info-zone=public'), /ports: *\n/);
  assert.match(await firewalld.command('--info-zone=warren'), /services: *\n/);
});

for (const [what, act] of [
  ['firewalld reloads', () => firewalld.command('--reload')],
  ['firewalld reloads completely', () => firewalld.command('--complete-reload')],
  [
    'firewalld is killed and started',
    async () => {
      await firewalld.stop('SIGKILL');
      await firewalld.start();
    },
  ],
] as const) {
  test(`everything works again when ${what}`, { skip }, async () => {
    await act();
    await works();
  });
}

test('leave takes the zone and its policies away', { skip }, async () => {
  await host.warren(['leave', '--purge']);
  for (const list of [
    ['--get-zones'],
    ['--get-policies'],
    ['--permanent', '--get-zones'],
    ['--permanent', '--get-policies'],
  ])
    assert.doesNotMatch(await firewalld.command(...list), /warren/);
});
