import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LabContainer } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type LabFirewalld, makeFirewalld, platformFile, whyNoPlatforms } from '../support/lab-platforms.ts';
import { type Lab, openMesh } from '../support/lab.ts';
import { until } from '../support/wait.ts';

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

async function reaches(from: LabContainer, to: LabContainer): Promise<boolean> {
  for (const address of to.addresses) {
    const { exitCode } = await from.run(['ping', '-n', '-c', '1', '-W', '1', address], { okCodes: 'any' });
    if (exitCode !== 0) return false;
  }
  return true;
}

async function outsideAnswers(): Promise<boolean> {
  const { server } = (await host.status()) as { server: { url: string } };
  const connecting = 'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)';
  const argv = ['python3', '-c', connecting, '10.0.0.2', new URL(server.url).port];
  return (await ours.run(argv, { okCodes: 'any' })).exitCode === 0;
}

async function namesAnswer(): Promise<boolean> {
  const { stdout: routes } = await ours.run(['ip', '-j', 'route', 'show', 'default']);
  const gateway = (JSON.parse(routes) as { gateway: string }[])[0]?.gateway ?? '';
  const argv = ['dig', '+short', '+time=1', '+tries=1', `@${gateway}`, 'h1.warren.internal', 'A'];
  return (await ours.run(argv, { okCodes: 'any' })).stdout.startsWith('10.86.');
}

const works = (): Promise<boolean> =>
  until('everything works', { seconds: 45 }, async () => {
    const parts = [await reaches(far, ours), await reaches(ours, far), await outsideAnswers(), await namesAnswer()];
    if (parts.includes(false)) throw new Error(`far to ours, ours to far, outside, names: ${parts.join()}`);
    return true;
  });

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
