import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, after, before, test } from 'node:test';
import { startCapture } from '../support/capture.ts';
import type { LabContainer } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type NatBox, addBox } from '../support/lab-nat.ts';
import { type Lab, openLab, waitForPaths } from '../support/lab.ts';
import { type Traffic, startTraffic } from '../support/traffic.ts';
import { until } from '../support/wait.ts';

/** Two relays that take hosts in over TLS, a host whose network blocks UDP, and one behind a box that does not yet. */
let lab: Lab;
let relays: LabHost[];
let boxes: [NatBox, NatBox];
let a: LabHost;
let b: LabHost;
let from: LabContainer;
let to: LabContainer;

before(async () => {
  lab = await openLab();
  relays = [await lab.addHost('r1'), await lab.addHost('r2')];
  for (const relay of relays) {
    relay.settings['WARREN_RELAY_TLS'] = '0.0.0.0:443';
    await lab.enrol(relay);
    await lab.server.admin('host', 'set', relay.name, '--relay', 'on');
  }
  boxes = [await addBox(lab, { kind: 'easy' }), await addBox(lab, { kind: 'easy' })];
  await boxes[0].setUdp('blocked');
  a = await lab.addHost('a', boxes[0]);
  b = await lab.addHost('b', boxes[1]);
  await Promise.all([lab.enrol(a), lab.enrol(b)]);
  from = await a.addContainer();
  to = await b.addContainer();
  for (const relay of relays) await relay.addContainer();
});
after(() => lab?.close());

interface Way {
  readonly name: string;
  readonly path: string;
  readonly via: string | null;
  readonly whyNotDirect: string | null;
}

async function wayTo(host: LabHost, peer: LabHost): Promise<Way> {
  const { peers } = (await host.status()) as { peers: Way[] };
  return peers.find(({ name }) => name === peer.name) ?? assert.fail(`${host.name} has no peer ${peer.name}`);
}

/** Waits until both ends send to each other so. */
async function untilBothSend(how: (way: Way) => boolean, what: string): Promise<Way> {
  return until(`both send ${what}`, { seconds: 60 }, async () => {
    const [there, back] = [await wayTo(a, b), await wayTo(b, a)];
    assert.ok(how(there) && how(back), JSON.stringify([there, back]));
    return there;
  });
}

const overTls = (): Promise<Way> => untilBothSend(({ path }) => path === 'tls', 'over TLS');

async function relayInUse(): Promise<LabHost> {
  const { via } = await overTls();
  return relays.find(({ name }) => name === via) ?? assert.fail(`${via} is no relay`);
}

/** The established ones of a relay, as `ss` lists them. */
async function streamsOf(relay: LabHost): Promise<string> {
  return (await relay.run(['ss', '-Htn', 'state', 'established', 'sport', '=', ':443'])).stdout;
}

async function moreReplies(traffic: Traffic, count: number): Promise<void> {
  const had = traffic.received();
  await until(`${count} replies more`, { seconds: 60 }, () => traffic.received() >= had + count);
}

const perSecond = 20;

async function whileTalking(t: TestContext, change: (traffic: Traffic) => Promise<void>): Promise<readonly number[]> {
  const traffic = await startTraffic(from, to, { perSecond });
  await change(traffic);
  await moreReplies(traffic, 20);
  const { lost } = await traffic.stop();
  t.diagnostic(`${lost.length} packets lost at ${perSecond} a second`);
  return lost;
}

test('a host whose network blocks UDP reaches containers of all others over TLS, and they it', async () => {
  await waitForPaths([from, to], 60);
  await waitForPaths([from, ...relays.flatMap(({ containers }) => containers)], 60);
  const way = await overTls();
  assert.ok(relays.some(({ name }) => name === way.via));
  assert.match(way.whyNotDirect ?? '', /^nobody answers this host by UDP/);
  const ping = await a.warren(['ping', 'b']);
  assert.match(ping.stdout, /tls by r[12] at 127\.0\.0\.1:\d+: 3 of 3 answered/);
});

test('packets of all sizes get through', async () => {
  await overTls();
  for (const size of ['1300', '9000']) {
    await until(`${size} bytes`, { seconds: 30 }, async () => {
      await from.run(['ping', '-n', '-c', '2', '-i', '0.2', '-W', '2', '-s', size, to.addresses[0] ?? '']);
      return true;
    });
  }
});

test('netcheck says that UDP is blocked, and what is reached all the same', async () => {
  const { stdout } = await a.warren(['netcheck', '--json'], { okCodes: [0, 1] });
  const { checks } = JSON.parse(stdout) as { checks: { check: string; status: string; says: string }[] };
  const saying = (name: string): string =>
    checks
      .filter(({ check }) => check === name)
      .map(({ status, says }) => `${status}: ${says}`)
      .join('\n');
  assert.match(saying('udp'), /^fail: /);
  assert.match(saying('relay'), /^warn: reached only over TLS/m);
  assert.match(saying('peers'), /3 over TLS, 0 not reached/);
});

test('relays see ciphertext only', async () => {
  const marker = 'warren-secret-17';
  await overTls();
  const captures = await Promise.all(
    relays.map((relay) => startCapture(relay.namespace, join(lab.dir, `${relay.name}.pcap`))),
  );
  const traffic = await startTraffic(from, to, { perSecond: 50, marker });
  await moreReplies(traffic, 100);
  await traffic.stop();
  const recordings = await Promise.all(captures.map((capture) => capture.stop()));
  const overTcp = recordings.flatMap(({ packets }) => packets).filter(({ targetPort }) => targetPort === 443);
  assert.ok(overTcp.length >= 100, `${overTcp.length} packets came over TCP`);
  for (const recording of recordings) assert.equal(recording.count(marker), 0);
});

test('when the agent of the relay in use is killed the other one takes over, and either serves again', async (t) => {
  const first = await relayInUse();
  const other = relays.find((one) => one !== first) ?? assert.fail('there is one relay alone');
  await whileTalking(t, async (traffic) => {
    await first.stopAgent('SIGKILL');
    await moreReplies(traffic, 20);
    assert.equal((await relayInUse()).name, other.name);
    await first.startAgent();
    await first.waitUntil('ready');
    await until('both are taken in again', { seconds: 60 }, async () => {
      const ends = await streamsOf(first);
      return boxes.every(({ address }) => ends.includes(`${address}:`));
    });
    await other.stopAgent('SIGKILL');
    await moreReplies(traffic, 20);
    assert.equal((await relayInUse()).name, first.name);
    await other.startAgent();
    await other.waitUntil('ready');
  });
});

test('an agent that is killed finds its way over TLS again', async (t) => {
  await overTls();
  await whileTalking(t, async (traffic) => {
    await a.stopAgent('SIGKILL');
    await a.startAgent();
    await a.waitUntil('ready');
    await moreReplies(traffic, 40);
  });
});

test('a host that is disabled is cut off, and taken in again when it is enabled', async () => {
  await overTls();
  const streams = async (): Promise<number> => {
    const all = (await Promise.all(relays.map(streamsOf))).join('\n');
    return all.split('\n').filter((line) => line.includes(`${boxes[0].address}:`)).length;
  };
  assert.ok((await streams()) >= 1);
  await lab.server.admin('host', 'disable', 'a');
  await until('no relay has a stream of it', { seconds: 20 }, async () => (await streams()) === 0);
  await lab.server.admin('host', 'enable', 'a');
  await waitForPaths([from, to], 60);
});

test('UDP that is let through is used again with hardly a packet lost, and TLS when it is blocked anew', async (t) => {
  await overTls();
  const isUdp = ({ path }: Way): boolean => path === 'direct' || path === 'relay';
  const lost = await whileTalking(t, async (traffic) => {
    await boxes[0].setUdp('open');
    await untilBothSend(isUdp, 'by UDP');
    await moreReplies(traffic, 20);
  });
  assert.ok(lost.length <= 10, `${lost.length} packets were lost on the way back to UDP`);
  await whileTalking(t, async (traffic) => {
    await boxes[0].setUdp('blocked');
    await moreReplies(traffic, 20);
    await overTls();
  });
});

test('two hosts that both have no UDP meet over TLS', async (t) => {
  await whileTalking(t, async (traffic) => {
    await boxes[1].setUdp('blocked');
    await moreReplies(traffic, 40);
  });
  await overTls();
  await waitForPaths([from, to], 60);
});
