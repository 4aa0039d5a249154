/** The agent's kernel side against the real kernel: one namespace as host, one as container, no server. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { removeAll } from '../../agent/apply.ts';
import { watchKernel } from '../../agent/system/monitor.ts';
import { parseInterfaceName } from '../../shared/names.ts';
import { parsePublicKey } from '../../shared/wireguard.ts';
import { AgentFixture, attachmentOf, settingsOf } from '../support/agent-fixture.ts';
import { meshOf } from '../support/mesh-map.ts';
import { deleteNamespacesNow, makeNamespace, pidsInside, runInside } from '../support/namespace.ts';
import { systemInside } from '../support/namespace-system.ts';
import { until } from '../support/wait.ts';

const tag = `wk${process.pid % 100_000}`;
const [host, container] = [`${tag}h`, `${tag}c`];
const folder = mkdtempSync(join(tmpdir(), 'warren-kernel-'));
const privateKeyFile = join(folder, 'wireguard.key');
const privateKey = execFileSync('wg', ['genkey'], { encoding: 'utf8' });
const publicKey = parsePublicKey(execFileSync('wg', ['pubkey'], { input: privateKey, encoding: 'utf8' }).trim());
writeFileSync(privateKeyFile, privateKey, { mode: 0o600 });

const system = systemInside(host);
const agent = new AgentFixture(
  system,
  settingsOf(1, {
    interfaceName: parseInterfaceName(tag),
    bridgeName: parseInterfaceName(`${tag}b`),
    tableName: `warren-${tag}`,
    privateKeyFile,
    publicKey,
  }),
);
agent.attachments = [{ ...attachmentOf(1), netnsPath: `/run/netns/${container}` }];
const map = meshOf(20, { 1: { publicKey }, 3: { subnets: [{ prefix: '192.168.7.0/24', weight: 5 }] } });
let previousSysctls: Readonly<Record<string, string>> = {};

async function inHost(commandLine: string): Promise<string> {
  return (await runInside(host, commandLine.split(' '))).stdout;
}

async function pass() {
  agent.now = Date.now();
  const done = await agent.pass(map);
  previousSysctls = { ...done.result.previousSysctls, ...previousSysctls };
  assert.deepEqual(
    done.result.failures.map(({ error }) => error.message),
    [],
  );
  return done;
}

before(async () => {
  await makeNamespace(host);
  await makeNamespace(container);
  for (const line of ['link add eth0 type bridge', 'link set eth0 up', 'addr add 192.0.2.1/24 dev eth0']) {
    await inHost(`ip ${line}`);
  }
});

after(() => {
  deleteNamespacesNow([host, container]);
  rmSync(folder, { recursive: true });
});

test('one pass makes everything, and the next has nothing to do', async () => {
  assert.ok((await pass()).steps.length > 60);
  assert.deepEqual((await pass()).steps, []);
});

test('the container reaches its gateway, over IPv4 with the MTU of the tunnel', async () => {
  await runInside(container, ['ping', '-c', '1', '-W', '2', '10.210.1.1']);
  const { stdout } = await runInside(container, ['ip', '-j', 'link', 'show', 'dev', 'eth0']);
  assert.match(stdout, /"mtu":1420/);
});

test('a userspace tunnel lives in a session of its own, outside of the agent', async () => {
  const pids = pidsInside([host]);
  if (pids.length === 0) return;
  const { stdout } = await runInside(host, ['ps', '-o', 'ppid=,sess=', '-p', String(pids[0])]);
  const [parent, session] = stdout.trim().split(/\s+/).map(Number);
  const { stdout: own } = await runInside(host, ['ps', '-o', 'sess=', '-p', String(process.pid)]);
  assert.notEqual(parent, process.pid);
  assert.notEqual(session, Number(own));
});

const breakages = [
  'nft flush ruleset',
  `nft delete chain inet warren-${tag} leave_mesh`,
  `nft insert rule inet warren-${tag} transit accept`,
  `nft add element inet warren-${tag} mesh4 { 8.0.0.0/8 }`,
  'ip route del 10.210.2.0/24',
  `ip route replace 10.210.2.0/24 dev ${tag}`,
  'ip -6 route flush proto 86',
  `ip link set ${tag} down`,
  `ip link set ${tag} mtu 1300`,
  `ip addr flush dev ${tag}`,
  `ip addr add 10.9.9.9/32 dev ${tag}`,
  `wg set ${tag} peer ${map.hosts[4]?.publicKey} remove`,
  `wg set ${tag} peer ${map.hosts[4]?.publicKey} allowed-ips 10.9.9.0/24`,
  `wg set ${tag} peer ${execFileSync('wg', ['genkey'], { encoding: 'utf8' }).trim()} allowed-ips 10.210.3.0/24`,
  `wg set ${tag} listen-port 4444`,
  `ip link del ${tag}`,
  `ip link del ${tag}b`,
  'ip link del wvc1',
];

for (const breakage of breakages) {
  test(`one pass repairs '${breakage.replace(/[A-Za-z0-9+/]{43}=/, 'KEY').replaceAll(tag, 'TAG')}'`, async () => {
    await inHost(breakage);
    assert.ok((await pass()).steps.length > 0);
    assert.deepEqual((await pass()).steps, []);
  });
}

test('the kernel tells of a deleted route and of a flushed ruleset', async () => {
  let wakes = 0;
  const watch = watchKernel(system, agent.settings, { onChange: () => (wakes += 1) });
  try {
    for (const breakage of ['ip route del 10.210.2.0/24', 'nft flush ruleset']) {
      const before = wakes;
      await until(`a wake-up after '${breakage}'`, { seconds: 5, everyMilliseconds: 200 }, async () => {
        await pass();
        const seen = wakes;
        await inHost(breakage);
        await until('the wake-up', { seconds: 1 }, () => wakes > seen);
        return wakes > before;
      });
      await pass();
    }
  } finally {
    watch.stop();
  }
});

test('a change of one peer takes one command', async () => {
  await pass();
  const before = system.commands.length;
  const changed = structuredClone(map);
  const target = changed.hosts[9];
  if (target !== undefined) target.addresses = target.addresses.slice(0, 1);
  const { steps } = await agent.pass(changed);
  assert.deepEqual(
    steps.map((step) => step.kind),
    ['peer-set'],
  );
  const changes = system.commands.slice(before).filter((line) => /^(wg (set|addconf)|ip -force|nft -f)/.test(line));
  assert.equal(changes.length, 1);
  await pass();
});

test("a name that another namespace's tunnel has is refused with the remedy", async () => {
  if (pidsInside([host]).length === 0) return;
  const other = new AgentFixture(systemInside(container), agent.settings);
  const { result } = await other.pass(map);
  try {
    assert.match(result.failures[0]?.error.message ?? '', /another network namespace.*WARREN_INTERFACE/);
  } finally {
    await removeAll(other.system, other.settings, {});
  }
  assert.deepEqual((await pass()).steps, []);
});

test('removing everything leaves nothing of ours, and works twice', async () => {
  await removeAll(system, agent.settings, previousSysctls);
  await removeAll(system, agent.settings, previousSysctls);
  assert.deepEqual(
    [...(await inHost('ip -br link')).matchAll(/^(\S+)/gm)].map((match) => match[1]),
    ['lo', 'eth0'],
  );
  assert.equal(await inHost('nft list ruleset'), '');
  assert.equal((await inHost('ip route show proto 86')) + (await inHost('ip -6 route show proto 86')), '');
  await until('the tunnel process ends', { seconds: 5 }, () => pidsInside([host]).length === 0);
});
