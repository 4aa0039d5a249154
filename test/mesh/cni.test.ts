import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type CniReply, type LabCni, makeCni } from '../support/lab-cni.ts';
import { addressesOf } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openMesh } from '../support/lab.ts';
import { makeNamespace, runInside } from '../support/namespace.ts';
import { until } from '../support/wait.ts';

let lab: Lab;
let host: LabHost;
let cni: LabCni;
let far: string;
const config = { cniVersion: '1.0.0', name: 'mesh', type: 'warren-cni' };

before(async () => {
  lab = await openMesh(2);
  const [first, second] = lab.hosts;
  if (first === undefined || second === undefined) throw new Error('no hosts');
  host = first;
  far = second.containers[0]?.addresses[0] ?? '';
  cni = await makeCni(host);
});
after(() => lab?.close());

interface Result {
  cniVersion: string;
  interfaces: { name: string; mac: string; sandbox?: string }[];
  ips: { address: string; gateway: string; interface: number; version?: string }[];
}
const resultOf = ({ reply }: CniReply): Result => reply as unknown as Result;
const nameOf = (suffix: string): string => `${host.namespace}${suffix}`;

async function made(suffix: string): Promise<string> {
  await makeNamespace(nameOf(suffix));
  return nameOf(suffix);
}
const pingFar = (namespace: string) =>
  until('the other host answers', { seconds: 10 }, async () => {
    await runInside(namespace, ['ping', '-n', '-c', '1', '-W', '1', far]);
    return true;
  });

test('ADD gives an interface on the mesh, CHECK finds it, DEL takes it away, twice as well as once', async () => {
  const namespace = await made('n1');
  const added = await cni.call('warren-cni', 'ADD', config, { namespace });
  assert.equal(added.exitCode, 0, added.stdout);
  const { interfaces, ips } = resultOf(added);
  assert.deepEqual(
    ips.map(({ address }) => address.replace(/\/\d+$/, '')),
    await addressesOf(namespace),
  );
  for (const { mac } of interfaces) assert.match(mac, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
  assert.equal(interfaces[ips[0]?.interface ?? -1]?.sandbox, `/run/netns/${namespace}`);
  await pingFar(namespace);
  const checked = { ...config, prevResult: added.reply };
  assert.deepEqual([(await cni.call('warren-cni', 'CHECK', checked, { namespace })).exitCode], [0]);
  const again = await cni.call('warren-cni', 'ADD', config, { namespace });
  assert.deepEqual([again.exitCode === 0, again.reply?.['code']], [false, 101]);
  await runInside(namespace, ['ip', 'addr', 'flush', 'dev', 'eth0']);
  for (let i = 0; i < 2; i += 1) {
    const removed = await cni.call('warren-cni', 'DEL', config, { namespace });
    assert.deepEqual([removed.exitCode, removed.stdout], [0, '']);
    assert.deepEqual(await addressesOf(namespace), []);
  }
  assert.equal((await cni.call('warren-cni', 'CHECK', checked, { namespace })).reply?.['code'], 103);
});

test('each version gets its own words', async () => {
  for (const cniVersion of ['0.2.0', '0.4.0', '1.1.0']) {
    const namespace = await made(`v${cniVersion.replaceAll('.', '')}`);
    const { reply } = await cni.call(
      'warren-cni',
      'ADD',
      { ...config, cniVersion },
      { namespace, containerId: cniVersion },
    );
    assert.equal(reply?.['cniVersion'], cniVersion);
    assert.equal('ip4' in (reply ?? {}), cniVersion < '0.3.0');
    await cni.call('warren-cni', 'DEL', { ...config, cniVersion }, { namespace, containerId: cniVersion });
  }
  const { reply } = await cni.call('warren-cni', 'VERSION', { cniVersion: '1.0.0' });
  assert.match(JSON.stringify(reply?.['supportedVersions']), /"1\.1\.0"/);
  const refused = await cni.call('warren-cni', 'ADD', { ...config, cniVersion: '9.0.0' }, { namespace: nameOf('n1') });
  assert.equal(refused.reply?.['code'], 1);
});

test("Debian's plugins work after it, and its ipam plugins give its addresses", async () => {
  const namespace = await made('n2');
  const { stdout: lease } = await host.run([
    'sh',
    '-c',
    'grep -o \'10\\.210\\.[0-9]*\' "$0" | tail -n 1',
    `${host.runDir}/subnet.env`,
  ]);
  const ipam = {
    type: 'host-local',
    dataDir: `${host.dir}/host-local`,
    ranges: [[{ subnet: `${lease.trim()}.0/24`, rangeStart: `${lease.trim()}.200`, rangeEnd: `${lease.trim()}.209` }]],
  };
  const added = await cni.call('warren-cni', 'ADD', { ...config, ipam }, { namespace, containerId: 'c2' });
  assert.equal(added.exitCode, 0, added.stdout);
  assert.equal(resultOf(added).ips[0]?.address, `${lease.trim()}.200/24`);
  const portmap = {
    cniVersion: '1.0.0',
    name: 'mesh',
    type: 'portmap',
    snat: true,
    runtimeConfig: { portMappings: [{ hostPort: 18080, containerPort: 80, protocol: 'tcp' }] },
    prevResult: added.reply,
  };
  const mapped = await cni.call('portmap', 'ADD', portmap, { namespace, containerId: 'c2' });
  assert.equal(mapped.exitCode, 0, mapped.stdout);
  assert.deepEqual(resultOf(mapped).ips, resultOf(added).ips);
  const { stdout: rules } = await host.run(['iptables-save', '-t', 'nat']);
  assert.match(
    rules,
    new RegExp(`--dport 18080 -j DNAT --to-destination ${lease.trim().replaceAll('.', '\\.')}\\.200:80`),
  );
  const tuned = await cni.call(
    'tuning',
    'ADD',
    { ...portmap, type: 'tuning', sysctl: {}, prevResult: mapped.reply },
    { namespace, containerId: 'c2' },
  );
  assert.equal(tuned.exitCode, 0, tuned.stdout);
  await pingFar(namespace);
  assert.equal((await cni.call('portmap', 'DEL', portmap, { namespace, containerId: 'c2' })).exitCode, 0);
  assert.equal(
    (await cni.call('warren-cni', 'DEL', { ...config, ipam }, { namespace, containerId: 'c2' })).exitCode,
    0,
  );
  const { stdout: kept } = await host.run(['sh', '-c', `ls ${host.dir}/host-local/mesh | grep -c '^10\\.' || true`]);
  assert.equal(kept.trim(), '0');
});

test('an address outside the lease is refused, and what the ipam plugin gave is given back', async () => {
  const namespace = await made('n3');
  const ipam = { type: 'host-local', dataDir: `${host.dir}/host-local`, subnet: '192.168.77.0/24' };
  const refused = await cni.call('warren-cni', 'ADD', { ...config, ipam }, { namespace, containerId: 'c3' });
  assert.equal(refused.reply?.['code'], 7);
  assert.match(String(refused.reply?.['msg']), /container subnet/);
  assert.deepEqual(await addressesOf(namespace), []);
});

test('the container has its name on the mesh, and the address the runtime asks for', async () => {
  const namespace = await made('n4');
  const { stdout } = await host.run([
    'sh',
    '-c',
    'grep -o \'10\\.210\\.[0-9]*\' "$0" | tail -n 1',
    `${host.runDir}/subnet.env`,
  ]);
  const address = `${stdout.trim()}.99`;
  const args = `IgnoreUnknown=1;K8S_POD_NAME=Web-1;IP=${address}`;
  const added = await cni.call('warren-cni', 'ADD', config, { namespace, containerId: 'c4', args });
  assert.equal(resultOf(added).ips[0]?.address, `${address}/24`, added.stdout);
  const { stdout: saved } = await host.run(['cat', `${host.stateDir}/cni.json`]);
  assert.match(saved, /"name":"web-1"/);
});

test('where the default route is left to others the mesh is reached all the same, and the answer names no such route', async () => {
  const namespace = await made('n6');
  const shared = { ...config, isDefaultGateway: false };
  const added = await cni.call('warren-cni', 'ADD', shared, { namespace, containerId: 'c6' });
  assert.equal(added.exitCode, 0, added.stdout);
  assert.doesNotMatch(added.stdout, /"(0\.0\.0\.0|::)\/0"/);
  for (const family of ['-4', '-6']) {
    const { stdout } = await runInside(namespace, ['ip', family, 'route', 'show', 'default']);
    assert.equal(stdout.trim(), '');
  }
  await pingFar(namespace);
  const checked = { ...shared, prevResult: added.reply };
  assert.equal((await cni.call('warren-cni', 'CHECK', checked, { namespace, containerId: 'c6' })).exitCode, 0);
});

test('a killed agent knows its interfaces again, and while it is away ADD says try again and DEL of what is gone succeeds', async () => {
  await host.stopAgent('SIGKILL');
  const namespace = await made('n5');
  assert.equal((await cni.call('warren-cni', 'ADD', config, { namespace, containerId: 'c5' })).reply?.['code'], 11);
  assert.equal((await cni.call('warren-cni', 'STATUS', { ...config, cniVersion: '1.1.0' })).reply?.['code'], 50);
  assert.equal(
    (await cni.call('warren-cni', 'DEL', config, { namespace: nameOf('n4'), containerId: 'c4' })).reply?.['code'],
    11,
  );
  assert.equal(
    (await cni.call('warren-cni', 'DEL', config, { namespace: nameOf('gone'), containerId: 'cx' })).exitCode,
    0,
  );
  await host.run(['ip', 'netns', 'del', nameOf('n4')]);
  assert.equal(
    (await cni.call('warren-cni', 'DEL', config, { namespace: nameOf('n4'), containerId: 'c4' })).exitCode,
    0,
  );
  await host.startAgent();
  await host.waitUntil('ready');
  await until('the address of what is gone is free', { seconds: 10 }, async () => {
    const { stdout } = await host.run(['cat', `${host.stateDir}/cni.json`]);
    return !stdout.includes('"c4"');
  });
  assert.equal((await cni.call('warren-cni', 'STATUS', { ...config, cniVersion: '1.1.0' })).exitCode, 0);
});

test('GC removes what the runtime no longer knows of, and nothing else', async () => {
  const [kept, lost] = [await made('k1'), await made('k2')];
  await cni.call('warren-cni', 'ADD', config, { namespace: kept, containerId: 'kept' });
  await cni.call('warren-cni', 'ADD', config, { namespace: lost, containerId: 'lost' });
  const gc = { ...config, cniVersion: '1.1.0', 'cni.dev/valid-attachments': [{ containerID: 'kept', ifname: 'eth0' }] };
  const collected = await cni.call('warren-cni', 'GC', gc);
  assert.equal(collected.exitCode, 0, collected.stdout);
  assert.deepEqual(await addressesOf(lost), []);
  assert.ok((await addressesOf(kept)).length > 0);
  await pingFar(kept);
});
