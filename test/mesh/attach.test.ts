import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { addressesOf } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openMesh, waitForPaths } from '../support/lab.ts';
import { inside, makeNamespace } from '../support/namespace.ts';
import { startProcess } from '../support/process.ts';
import { until } from '../support/wait.ts';

let lab: Lab;
let host: LabHost;

before(async () => {
  lab = await openMesh(2);
  const [first] = lab.hosts;
  if (first === undefined) throw new Error('no host');
  host = first;
});
after(() => lab?.close());

interface Answer {
  address: string;
  gateway: string;
  interface: string;
  mtu: number;
}

async function attach(target: string): Promise<Answer> {
  const { stdout } = await host.warren(['attach', target, '--json']);
  return JSON.parse(stdout) as Answer;
}

test('attach answers address, gateway, interface and MTU, and the namespace has them', async () => {
  const namespace = `${host.namespace}x1`;
  await makeNamespace(namespace);
  const answer = await attach(`netns:${namespace}`);
  const { stdout } = await host.run(['ip', '-n', namespace, '-4', '-o', 'addr', 'show', 'dev', answer.interface]);
  assert.match(stdout, new RegExp(`inet ${answer.address.split('/')[0]?.replaceAll('.', '\\.')}/24 `));
  const { stdout: route } = await host.run(['ip', '-n', namespace, 'route', 'show', 'default']);
  assert.match(route, new RegExp(`via ${answer.gateway.replaceAll('.', '\\.')} dev ${answer.interface}`));
  const { stdout: link } = await host.run(['ip', '-n', namespace, 'link', 'show', answer.interface]);
  assert.match(link, new RegExp(`mtu ${answer.mtu} `));
});

test('attaching again answers the same and adds nothing', async () => {
  const target = `netns:${host.namespace}x1`;
  const again = await attach(target);
  assert.deepEqual(await attach(target), again);
  const { stdout } = await host.run(['ip', '-n', `${host.namespace}x1`, '-o', 'link', 'show']);
  assert.equal(stdout.split('\n').length, 2);
});

test('a process is attached by its id', async () => {
  const namespace = `${host.namespace}x2`;
  await makeNamespace(namespace);
  const sleeper = startProcess(inside(namespace, ['sleep', '600']), { logFile: `${host.dir}/sleep.log` });
  await until('the process is in its namespace', { seconds: 5 }, async () => {
    const { stdout } = await host.run(['ip', 'netns', 'identify', String(sleeper.pid)]);
    return stdout.includes(namespace);
  });
  const { address } = await attach(`pid:${sleeper.pid}`);
  assert.deepEqual((await addressesOf(namespace))[0], address.split('/')[0]);
  await sleeper.stop('SIGKILL');
});

test('eight attached at once get eight addresses', async () => {
  const names = Array.from({ length: 8 }, (_, i) => `${host.namespace}p${i}`);
  for (const name of names) await makeNamespace(name);
  const answers = await Promise.all(names.map((name) => attach(`netns:${name}`)));
  assert.equal(new Set(answers.map((answer) => answer.address)).size, 8);
});

test('killed and restarted agents keep every address and give none twice', async () => {
  const kept = await addressesOf(`${host.namespace}p3`);
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await host.stopAgent(signal);
    await host.startAgent();
    await host.waitUntil('ready');
    assert.deepEqual(await addressesOf(`${host.namespace}p3`), kept);
    const fresh = `${host.namespace}${signal.toLowerCase()}`;
    await makeNamespace(fresh);
    await attach(`netns:${fresh}`);
    const all = await everyAddress();
    assert.equal(new Set(all).size, all.length, `duplicates in ${all.join(' ')}`);
  }
});

async function everyAddress(): Promise<string[]> {
  const names = [...Array.from({ length: 8 }, (_, i) => `p${i}`), 'x1', 'x2', 'c1', 'sigkill'];
  const all = await Promise.all(names.map((name) => addressesOf(host.namespace + name)));
  return all.flat();
}

test('an agent killed in the middle of an attachment ends what it began', async () => {
  const namespace = `${host.namespace}mid`;
  await makeNamespace(namespace);
  const attaching = host.warren(['attach', `netns:${namespace}`], { okCodes: 'any' });
  await until('something is under way', { seconds: 10, everyMilliseconds: 2 }, async () => {
    const { stdout } = await host.run(['ip', '-o', 'link', 'show', 'type', 'veth']);
    return stdout.split('\n').length > 13;
  }).catch(() => undefined);
  await host.stopAgent('SIGKILL');
  await attaching;
  await host.startAgent();
  await host.waitUntil('ready');
  const { address } = await attach(`netns:${namespace}`);
  assert.deepEqual((await addressesOf(namespace))[0], address.split('/')[0]);
  const all = [...(await everyAddress()), ...(await addressesOf(namespace))];
  assert.equal(new Set(all).size, all.length);
});

test('detach takes the interface away, and the address is free again', async () => {
  const namespace = `${host.namespace}x1`;
  await host.warren(['detach', `netns:${namespace}`]);
  assert.deepEqual(await addressesOf(namespace), []);
  const { exitCode } = await host.warren(['detach', `netns:${namespace}`], { okCodes: 'any' });
  assert.equal(exitCode, 3);
});

test('a namespace that went away is no longer in the way, and one that does not exist is said to be missing', async () => {
  const { exitCode, stderr } = await host.warren(['attach', 'netns:no-such-place'], { okCodes: 'any' });
  assert.equal(exitCode, 3);
  assert.match(stderr, /no-such-place/);
  await host.run(['ip', 'netns', 'del', `${host.namespace}p7`]);
  await host.stopAgent('SIGTERM');
  await host.startAgent();
  await host.waitUntil('ready');
});

test('subnet.env tells what flannel told', async () => {
  const { stdout } = await host.run(['cat', `${host.runDir}/subnet.env`]);
  assert.match(stdout, /^FLANNEL_NETWORK=10\.210\.0\.0\/16$/m);
  assert.match(stdout, /^FLANNEL_SUBNET=10\.210\.\d+\.1\/24$/m);
  assert.match(stdout, /^FLANNEL_MTU=\d+$/m);
  assert.match(stdout, /^FLANNEL_IPMASQ=(true|false)$/m);
});

test('after all of this containers of both hosts still reach each other', async () => {
  await waitForPaths(lab.hosts.flatMap((one) => one.containers));
});
