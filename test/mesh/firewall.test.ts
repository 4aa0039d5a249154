import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LabContainer } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openMesh } from '../support/lab.ts';
import { runInside } from '../support/namespace.ts';
import { until } from '../support/wait.ts';

let lab: Lab;
before(async () => (lab = await openMesh(2)));
after(() => lab.close());

/** One ping by each family. */
async function reaches(from: LabContainer, to: LabContainer): Promise<boolean> {
  for (const address of to.addresses) {
    const { exitCode } = await from.run(['ping', '-n', '-c', '1', '-W', '1', address], { okCodes: 'any' });
    if (exitCode !== 0) return false;
  }
  return true;
}

function pair(): [LabContainer, LabContainer] {
  const [a, b] = lab.hosts.map((host) => host.containers[0]);
  assert.ok(a !== undefined && b !== undefined);
  return [a, b];
}

const cures = [
  { what: 'FORWARD drops what nobody lets through', harm: ['iptables', '-P', 'FORWARD', 'DROP'] },
  { what: 'the same for IPv6', harm: ['ip6tables', '-P', 'FORWARD', 'DROP'] },
  { what: 'somebody flushes the filter table', harm: ['iptables', '-F'] },
  { what: 'somebody stands before us', harm: ['iptables', '-I', 'FORWARD', '1', '-j', 'DROP'] },
  { what: 'a chain of Docker is there', harm: ['iptables', '-N', 'DOCKER-USER'] },
  { what: 'somebody flushes every rule', harm: ['nft', 'flush', 'ruleset'] },
];

for (const { what, harm } of cures) {
  test(`containers reach each other again when ${what}`, async () => {
    const [a, b] = pair();
    for (const host of lab.hosts) await host.run(harm);
    const isDocker = harm.includes('-N');
    if (isDocker) for (const host of lab.hosts) await host.run(['iptables', '-I', 'FORWARD', '-j', 'DOCKER-USER']);
    await until('both ways', { seconds: 10 }, async () => (await reaches(a, b)) && (await reaches(b, a)));
  });
}

test('a host that drops what it does not know still has its tunnels, its echoes and its names', async () => {
  const host = await lab.addHost();
  for (const program of ['iptables', 'ip6tables']) {
    // What any such host lets pass: itself, and answers.
    await host.run([program, '-A', 'INPUT', '-i', 'lo', '-j', 'ACCEPT']);
    await host.run([program, '-A', 'INPUT', '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED', '-j', 'ACCEPT']);
    for (const chain of ['INPUT', 'FORWARD']) await host.run([program, '-P', chain, 'DROP']);
  }
  await host.join(await lab.token());
  await host.startAgent();
  await host.waitUntil('ready');
  const [a] = pair();
  const b = await host.addContainer();
  await until('both ways', { seconds: 15 }, async () => (await reaches(a, b)) && (await reaches(b, a)));
  const [overlay = ''] = (await host.status())['addresses'] as string[];
  assert.equal((await a.run(['ping', '-n', '-c', '1', '-W', '2', overlay])).exitCode, 0);
  const [gateway4, gateway6] = await gatewaysOf(host);
  for (const gateway of [gateway4, gateway6]) {
    const { stdout } = await b.run(['dig', '+short', '+time=2', `@${gateway}`, 'h1.warren.internal', 'A']);
    assert.match(stdout, /^10\.86\./, gateway);
  }
  // Nothing else of the host is open to them.
  const { exitCode } = await b.run(['dig', '+time=1', '+tries=1', '-p', '5300', `@${gateway4}`, 'x'], {
    okCodes: 'any',
  });
  assert.notEqual(exitCode, 0);
  await host.warren(['leave', '--purge']);
  for (const program of ['iptables', 'ip6tables']) {
    const { stdout } = await host.run([`${program}-save`]);
    assert.doesNotMatch(stdout, /warren/);
  }
});

async function gatewaysOf(host: LabHost): Promise<string[]> {
  const { stdout } = await host.run(['ip', '-j', 'addr', 'show', 'dev', 'warren-br', 'scope', 'global']);
  const [link] = JSON.parse(stdout) as { addr_info: { local: string }[] }[];
  return (link?.addr_info ?? []).map(({ local }) => local);
}

test('whoever shares the wire with a host cannot send to its containers', async () => {
  const [a] = pair();
  const stranger = lab.underlay.router;
  const [host] = lab.hosts;
  await host?.waitUntil('ready');
  await until('the rules are back', { seconds: 10 }, async () => {
    await host?.run(['nft', 'list', 'chain', 'inet', 'warren', 'transit']);
    return true;
  });
  await runInside(stranger, ['ip', 'route', 'replace', '10.210.0.0/16', 'via', host?.address ?? '']);
  const { exitCode } = await runInside(stranger, ['ping', '-n', '-c', '2', '-W', '1', a.addresses[0] ?? ''], {
    okCodes: 'any',
  });
  assert.notEqual(exitCode, 0);
  // The same packets pass where the rule that stops them is taken away: they do arrive at the host.
  await host?.run(['nft', 'flush', 'chain', 'inet', 'warren', 'transit']);
  await until('the way is there', { seconds: 3, everyMilliseconds: 1 }, async () => {
    const { exitCode: code } = await runInside(stranger, ['ping', '-n', '-c', '1', '-W', '1', a.addresses[0] ?? ''], {
      okCodes: 'any',
    });
    return code === 0;
  });
});
