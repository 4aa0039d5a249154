import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stepSubject } from '../../../agent/plan/step.ts';
import { AgentFixture, attachmentOf, fakeHost } from '../../support/agent-fixture.ts';
import { meshOf, publicKeyOf } from '../../support/mesh-map.ts';

test('a change of one peer among 1,000 takes three commands', async () => {
  const host = fakeHost();
  const agent = new AgentFixture(host.system);
  await agent.pass(meshOf(1000, { 500: { leases: ['10.214.0.0/24'] } }));
  const before = host.commands.length;
  const { result, steps } = await agent.pass(meshOf(1000, { 500: { leases: ['10.214.1.0/24'] } }));
  const commands = host.commands.slice(before).map((line) => line.split('\n')[0]?.split(' ').slice(0, 3).join(' '));
  assert.deepEqual(result.failures, []);
  assert.deepEqual(
    steps.map((step) => step.kind),
    ['peer-set', 'route-set', 'route-remove'],
  );
  const filters = ['nft -j list', 'nft -j list', 'iptables-save', 'ip6tables-save', 'nft -j list'];
  const reading = ['ip -j -d', 'wg show warren0', 'ip -j -4', 'ip -j -6', ...filters];
  assert.deepEqual(commands, [...reading, 'wg set warren0', 'wg set warren0', 'ip -force -batch']);
});

test('a thousand new peers take two wg commands, and the private key is only ever named as a file', async () => {
  const host = fakeHost();
  await new AgentFixture(host.system).pass(meshOf(1000));
  const changes = host.commands.filter((line) => /^wg (set|addconf)/.test(line));
  assert.deepEqual(
    changes.map((line) => line.replace(/ peer .*/, ' peer')),
    [
      'wg set warren0 listen-port 51820 private-key /state/1/wireguard.key',
      'wg set warren0 peer',
      'wg set warren0 peer',
    ],
  );
});

test('one peer that wg refuses is reported, and all others are there', async () => {
  const host = fakeHost();
  const bad = publicKeyOf(33);
  host.inject({ matches: new RegExp(bad.replaceAll('+', '\\+')), stderr: 'Invalid argument', times: 99 });
  const { result } = await new AgentFixture(host.system).pass(meshOf(60));
  assert.deepEqual(
    result.failures.map(({ step }) => stepSubject(step)),
    [bad],
  );
  const peers = host.wireguard.get('warren0')?.peers;
  assert.equal(peers?.size, 58);
});

test('one route that ip refuses is reported by its prefix, and the others are there', async () => {
  const host = fakeHost();
  host.inject({ matches: /^route add 10\.210\.3\.0\/24/, stderr: 'RTNETLINK answers: No buffer space available' });
  const { result } = await new AgentFixture(host.system).pass(meshOf(5));
  assert.deepEqual(
    result.failures.map(({ step }) => stepSubject(step)),
    ['10.210.3.0/24'],
  );
  assert.match(result.failures[0]?.error.message ?? '', /No buffer space/);
  assert.ok(host.main.routes.some((route) => route.prefix === '10.210.4.0/24'));
});

test('when no backend works that is the one failure, and what needs no tunnel is done', async () => {
  const host = fakeHost({ hasKernelWireguard: false });
  host.missingPrograms.add('wireguard-go').add('/usr/local/lib/warren/wireguard-go');
  const { result } = await new AgentFixture(host.system).pass(meshOf(5));
  assert.deepEqual(
    result.failures.map(({ step, error }) => `${step.kind} ${error.code}`),
    ['wireguard-create backend-unavailable'],
  );
  assert.ok(host.main.links.has('warren-br'));
  assert.deepEqual(await new AgentFixture(host.system).pass(meshOf(5)).then((pass) => pass.result.applied), []);
});

test('without a kernel module the interface is wireguard-go, and is adopted as it is', async () => {
  const host = fakeHost({ hasKernelWireguard: false });
  const agent = new AgentFixture(host.system);
  assert.deepEqual((await agent.pass(meshOf(3))).result.failures, []);
  assert.equal(host.main.links.get('warren0')?.kind, 'tun');
  assert.deepEqual((await agent.pass(meshOf(3))).steps, []);
});

test("a control socket of another namespace's wireguard-go is an error that names the remedy", async () => {
  const host = fakeHost({ hasKernelWireguard: false, answer: ([, verb]) => (verb === 'show' ? 'key\n' : undefined) });
  host.files.set('/var/run/wireguard/warren0.sock', '');
  const { result } = await new AgentFixture(host.system).pass(meshOf(2));
  assert.match(result.failures[0]?.error.message ?? '', /another network namespace.*WARREN_INTERFACE/);
});

test('a kernel switch that cannot be set is one failure with a remedy', async () => {
  const host = fakeHost();
  host.inject({ matches: /^sysctl net\/ipv4\/ip_forward/, stderr: 'EROFS' });
  const { result } = await new AgentFixture(host.system).pass(meshOf(2));
  assert.deepEqual(
    result.failures.map(({ step, error }) => `${stepSubject(step)} ${error.code}`),
    ['net/ipv4/ip_forward privilege-missing'],
  );
  assert.deepEqual(result.previousSysctls, {
    'net/ipv6/conf/all/forwarding': '0',
    'net/ipv6/conf/eth0/accept_ra': '1',
  });
});

test('an attachment that fails half-way leaves nothing behind, and the next one is attached', async () => {
  const host = fakeHost();
  const agent = new AgentFixture(host.system);
  for (const n of [1, 2]) host.addNamespace(`/run/netns/c${n}`);
  agent.attachments = [attachmentOf(1), attachmentOf(2)];
  host.inject({ matches: /^addr add 10\.210\.1\.2\/24/, stderr: 'RTNETLINK answers: Permission denied' });
  const { result } = await agent.pass(meshOf(2));
  assert.equal(result.failures.length, 1);
  assert.deepEqual([host.main.links.has('wvc1'), host.main.links.has('wvc2')], [false, true]);
  assert.equal((await agent.pass(meshOf(2))).result.failures.length, 0);
});
