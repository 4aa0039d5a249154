import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Netcheck, netcheckSchema } from '../../agent/netcheck/check.ts';
import type { Status } from '../../agent/local/api.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type NatBox, addBox } from '../support/lab-nat.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { until } from '../support/wait.ts';

/** One host on the underlay, and two that are each behind a symmetric NAT of its own; no relay at first. */
let lab: Lab;
let open: LabHost;
let boxes: [NatBox, NatBox];
let a: LabHost;
let b: LabHost;

before(async () => {
  lab = await openLab();
  open = await lab.addMember();
  boxes = [await addBox(lab, { kind: 'symmetric' }), await addBox(lab, { kind: 'symmetric' })];
  a = await lab.addHost('a', boxes[0]);
  b = await lab.addHost('b', boxes[1]);
  await Promise.all([lab.enrol(a), lab.enrol(b)]);
});
after(() => lab?.close());

async function netcheck(host: LabHost): Promise<{ result: Netcheck; exitCode: number; found: Map<string, string> }> {
  const { stdout, exitCode } = await host.warren(['netcheck', '--json'], { okCodes: 'any' });
  const result = netcheckSchema.parse(JSON.parse(stdout));
  const found = new Map(
    result.checks.map(({ check, subject, status, says, todo }) => [
      subject === null ? check : `${check} ${subject}`,
      `${status}: ${says} -> ${todo ?? ''}`,
    ]),
  );
  assert.equal(exitCode, result.isOk ? 0 : 1);
  return { result, exitCode, found };
}

/** Waits until each named check says what it should. */
const untilSaid = (host: LabHost, expected: Readonly<Record<string, RegExp>>): Promise<Netcheck> =>
  until(`netcheck of ${host.name}`, { seconds: 40, everyMilliseconds: 300 }, async () => {
    const { result, found } = await netcheck(host);
    for (const [check, text] of Object.entries(expected)) assert.match(found.get(check) ?? 'missing', text, check);
    return result;
  });

const whyNot = (host: LabHost, peer: LabHost, expected: RegExp): Promise<unknown> =>
  until(`${host.name} knows why ${peer.name} is not direct`, { seconds: 40, everyMilliseconds: 300 }, async () => {
    const { peers } = (await host.status()) as unknown as Status;
    assert.match(peers.find(({ name }) => name === peer.name)?.whyNotDirect ?? 'direct', expected);
    return true;
  });

test('a host on the open network has nothing to mend', async () => {
  const result = await untilSaid(open, {
    server: /^ok: .* TLS /,
    clock: /^ok/,
    udp: /^ok: .*reflector answers/,
    nat: /^ok: none/,
    ipv4: /^ok: 10\.0\.0\./,
    ipv6: /^ok/,
    mtu: /^ok: packets of 1500 bytes/,
  });
  assert.equal(result.pathMtu, 1500);
  assert.equal(result.server?.address, '10.0.0.2');
  assert.equal(result.reflector?.endpoint, '10.0.0.2:8443');
  const { nat, mappedEndpoints, relay } = await open.status();
  assert.deepEqual({ nat, mappedEndpoints, relay }, { nat: 'none', mappedEndpoints: [], relay: null });
});

test('two hosts behind symmetric NATs are told so, and why they do not meet; a relay is missed until there is one', async () => {
  await whyNot(a, b, /^both hosts are behind NATs.*symmetric/);
  await whyNot(b, a, /^both hosts are behind NATs.*symmetric/);
  await whyNot(a, open, /^direct$/);
  await untilSaid(a, { nat: /^warn: symmetric.*--endpoint/, relay: /^warn: no host is a relay -> .*--relay on/ });
  await lab.server.admin('host', 'set', open.name, '--relay', 'on');
  const { relays } = await untilSaid(a, { [`relay ${open.name}`]: /^ok: reached: direct/ });
  assert.deepEqual(
    relays.map(({ name, path }) => [name, path]),
    [[open.name, 'direct']],
  );
  const { stdout } = await a.warren(['status']);
  assert.match(stdout, /^nat: +another port for each who looks/m);
  await until('the relay counts its pair', { seconds: 40 }, async () => {
    assert.deepEqual((await open.status())['relay'], { pairs: 1 });
    return /^relay: +1 pair has/m.test((await open.warren(['status'])).stdout);
  });
  assert.match(stdout, /NOT DIRECT +WHY\nb +both hosts are behind NATs/);
});

test('a path that is narrower than the tunnel needs is measured, told of or not', async () => {
  await boxes[0].setMtu(1400);
  await untilSaid(a, { mtu: /^warn: packets of 1400 bytes.*set the MTU/ });
  await boxes[0].setMtu(1500);
  await until('the kernel has forgotten', { seconds: 10 }, async () => {
    await a.run(['ip', 'route', 'flush', 'cache']);
    return (await netcheck(a)).result.pathMtu === 1500;
  });
});

test('blocked UDP fails by name while TLS works, and text and exit code say so', async () => {
  await boxes[0].setUdp('blocked');
  await untilSaid(a, { server: /^ok/, udp: /^fail: .*neither the reflector nor any peer answers -> let UDP/ });
  const { stdout, stderr, exitCode } = await a.warren(['netcheck'], { okCodes: 'any' });
  assert.equal(exitCode, 1);
  assert.match(stdout, /^udp +fail +UDP port \d+:/m);
  assert.match(stdout, /^udp +let UDP from port/m);
  assert.match(stderr, /failed: .*udp/);
  await boxes[0].setUdp('open');
  await untilSaid(a, { udp: /^ok/ });
});

test('with the server down everything else is still told, also by an agent that started without it', async () => {
  await lab.server.stop('SIGKILL');
  const expected = { server: /^fail: .* -> see whether the server runs/, clock: /^warn: not known/, peers: /direct/ };
  await untilSaid(open, { ...expected, udp: /^(ok|warn): .*peers answer/ });
  await open.stopAgent();
  await open.startAgent();
  await open.waitUntil('live');
  await untilSaid(open, { ...expected, udp: /^ok: .*peers answer; the server has no reflector/, mtu: /^ok/ });
});
