import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { until } from '../support/wait.ts';

const names = ['warren-up', 'warren-down', 'host-up', 'host-down', 'subnet-up', 'subnet-down'];
const subnet = '192.168.70.0/24';
let lab: Lab;
let here: LabHost;
let far: LabHost;
let dir: string;

before(async () => {
  lab = await openLab();
  here = await lab.addHost();
  dir = join(here.dir, 'hooks');
  mkdirSync(dir);
  const script = `#!/bin/sh\necho "$WARREN_EVENT $NAME $INTERFACE $NODE $REMOTEADDRESS $SUBNET $WEIGHT" >>${here.dir}/calls\n`;
  for (const name of names) put(name, script);
  here.settings['WARREN_HOOKS_DIR'] = dir;
  await lab.enrol(here);
  far = await lab.addMember('--advertise', `${subnet}#7`);
});
after(() => lab?.close());

function put(name: string, text: string): void {
  writeFileSync(join(dir, name), text);
  chmodSync(join(dir, name), 0o755);
}

function calls(): string[] {
  const file = join(here.dir, 'calls');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return text.split('\n').map((line) => line.trim().replaceAll(/ +/g, ' '));
}

const called = (line: string, seconds = 20): Promise<unknown> =>
  until(`the hook is called: ${line}; calls: ${calls().join(' | ')}`, { seconds }, () => calls().includes(line));

test('hooks are called for the mesh, a host that comes, and its subnets', async () => {
  const { interfaceName } = here;
  await called(`warren-up h1 ${interfaceName}`);
  await called(`host-up h1 ${interfaceName} h2 ${far.address}`);
  const [lease] = (await far.status())['leases'] as string[];
  await called(`subnet-up h1 ${interfaceName} h2 ${far.address} ${lease}`);
  const order = calls();
  const at = (start: string): number => order.findIndex((line) => line.startsWith(start));
  assert.ok(at('warren-up') < at('host-up') && at('host-up') < at(`subnet-up h1 ${interfaceName} h2`));
  await lab.server.admin('subnet', 'approve', subnet);
  await called(`subnet-up h1 ${interfaceName} h2 ${far.address} ${subnet} 7`);
});

test('a host that dies is told of within seconds, and told of again when it is back', async () => {
  const { interfaceName } = here;
  const before = calls().length;
  const since = (start: string): boolean =>
    calls()
      .slice(before - 1)
      .some((line) => line.startsWith(start));
  await lab.underlay.setLink(far.namespace, 'down');
  await until('host-down is called', { seconds: 60 }, () => since(`host-down h1 ${interfaceName} h2`));
  await lab.underlay.setLink(far.namespace, 'up');
  await until('host-up is called', { seconds: 60 }, () => since(`host-up h1 ${interfaceName} h2`));
});

test('an agent that starts again calls nothing twice, and nothing is called for its end', async () => {
  const before = calls();
  await here.stopAgent();
  await here.startAgent();
  await here.waitUntil('ready');
  put('host-down', '#!/bin/sh\necho "no such table" >&2; exit 3\n');
  await far.warren(['leave', '--purge']);
  await called(`subnet-down h1 ${here.interfaceName} h2 ${far.address} ${subnet} 7`);
  const after = calls().slice(before.length - 1);
  assert.ok(
    after.every((line) => line === '' || line.startsWith('subnet-down')),
    after.join(' | '),
  );
});

test('a hook that fails is in the status of its host', async () => {
  const { failures } = (await here.status()) as { failures: { kind: string; subject: string; why: string }[] };
  const failure = failures.find(({ kind }) => kind === 'hook');
  assert.equal(failure?.subject, 'host-down');
  assert.match(failure?.why ?? '', /^host-down of h2 failed with exit code 3: no such table$/);
});

test('leaving the mesh is told, at last, also where no agent runs', async () => {
  await here.stopAgent();
  await here.warren(['leave', '--purge']);
  assert.ok(calls().includes(`warren-down h1 ${here.interfaceName}`), calls().join(' | '));
});
