import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, after, before, test } from 'node:test';
import { senderOf } from '../../agent/probe/wire.ts';
import { parsePublicKey } from '../../shared/wireguard.ts';
import { startCapture } from '../support/capture.ts';
import type { LabContainer } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type NatBox, addBox } from '../support/lab-nat.ts';
import { type Lab, openLab, waitForPaths } from '../support/lab.ts';
import { type Traffic, longestGap, startTraffic } from '../support/traffic.ts';
import { until } from '../support/wait.ts';

/** Two hosts, each behind a symmetric NAT of its own, and two relays on the underlay: nothing but a relay joins them. */
let lab: Lab;
let relays: LabHost[];
let boxes: [NatBox, NatBox];
let a: LabHost;
let b: LabHost;
let from: LabContainer;
let to: LabContainer;

before(async () => {
  lab = await openLab();
  relays = [await lab.addMember(), await lab.addMember()];
  for (const { name } of relays) await lab.server.admin('host', 'set', name, '--relay', 'on');
  boxes = [await addBox(lab, { kind: 'symmetric' }), await addBox(lab, { kind: 'symmetric' })];
  a = await lab.addHost('a', boxes[0]);
  b = await lab.addHost('b', boxes[1]);
  await Promise.all([lab.enrol(a), lab.enrol(b)]);
  from = await a.addContainer();
  to = await b.addContainer();
});
after(() => lab?.close());

interface Way {
  readonly name: string;
  readonly path: string;
  readonly via: string | null;
}

const wayTo = async (host: LabHost, peer: LabHost): Promise<Way | undefined> => {
  const { peers } = (await host.status()) as { peers: Way[] };
  return peers.find(({ name }) => name === peer.name);
};

/** The relay that carries what `a` sends to `b` now. */
async function relayInUse(): Promise<LabHost> {
  return until('a sends through a relay', { seconds: 20 }, async () => {
    const way = await wayTo(a, b);
    assert.equal(way?.path, 'relay');
    return relays.find(({ name }) => name === way?.via);
  });
}

/** How many directions of pairs with `b` the relay's kernel holds; it may have others. */
async function heldBy(relay: LabHost): Promise<number> {
  const { publicKey } = await b.status();
  const id = senderOf(parsePublicKey(String(publicKey)));
  const { stdout } = await relay.run(['nft', 'list', 'map', 'ip', 'warren-relay', 'twin'], { okCodes: [0, 1] });
  return [...stdout.matchAll(/comment "([0-9a-f]{16}) ([0-9a-f]{16})"/g)].filter((match) => match.includes(id)).length;
}

async function moreReplies(traffic: Traffic, count: number): Promise<void> {
  const had = traffic.received();
  await until(`${count} replies more`, { seconds: 20 }, () => traffic.received() >= had + count);
}

async function whileTalking(t: TestContext, change: (traffic: Traffic) => Promise<void>): Promise<number> {
  const traffic = await startTraffic(from, to, { perSecond: 20 });
  await change(traffic);
  await moreReplies(traffic, 20);
  const { lost } = await traffic.stop();
  t.diagnostic(`${lost.length} packets lost, longest gap ${longestGap(lost) / 20} s`);
  return lost.length;
}

test('container to container works through a relay, and status of both ends says which', async () => {
  await waitForPaths([from, to], 30);
  const relay = await relayInUse();
  const back = await until('b says so too', { seconds: 10 }, async () => {
    const way = await wayTo(b, a);
    assert.equal(way?.path, 'relay', JSON.stringify(way));
    return way;
  });
  assert.ok(relays.some(({ name }) => name === back.via));
  assert.ok((await heldBy(relay)) >= 2);
});

test('relays see ciphertext only, and their own WireGuard none of it', async () => {
  const marker = 'warren-secret-16';
  const transfer = async (relay: LabHost): Promise<number> => {
    const { stdout } = await relay.run(['wg', 'show', relay.interfaceName, 'transfer']);
    const numbers = stdout.split(/\s+/).map(Number);
    return numbers.reduce((sum, one) => sum + (Number.isFinite(one) ? one : 0), 0);
  };
  const all = async (): Promise<number> => (await transfer(first)) + (await transfer(second));
  const [first, second] = relays as [LabHost, LabHost];
  // The pair may move to the other relay meanwhile.
  const captures = await Promise.all(
    relays.map((relay) => startCapture(relay.namespace, join(lab.dir, `${relay.name}.pcap`), 'udp')),
  );
  const before = await all();
  const traffic = await startTraffic(from, to, { perSecond: 50, marker });
  await moreReplies(traffic, 100);
  await traffic.stop();
  const own = (await all()) - before;
  const recordings = await Promise.all(captures.map((capture) => capture.stop()));
  const relayed = recordings
    .flatMap(({ packets }) => packets)
    .filter(({ targetPort, payload }) => targetPort >= 51_900 && payload[0] === 4);
  assert.ok(relayed.length >= 200, `${relayed.length} packets were relayed`);
  for (const recording of recordings) assert.equal(recording.count(marker), 0);
  const bytes = relayed.reduce((sum, { payload }) => sum + payload.length, 0);
  assert.ok(own < bytes / 4, `${own} of ${bytes} bytes`);
});

test('a relay whose agent is killed goes on, and the next agent takes over what it forwards', async (t) => {
  const relay = await relayInUse();
  const lost = await whileTalking(t, async (traffic) => {
    await relay.stopAgent('SIGKILL');
    await moreReplies(traffic, 60);
    await relay.startAgent();
    await relay.waitUntil('ready');
    await moreReplies(traffic, 20);
  });
  assert.equal(lost, 0);
  assert.ok((await heldBy(relay)) >= 2);
});

test('a NAT that gives another mapping is followed', async (t) => {
  await whileTalking(t, async (traffic) => {
    await boxes[0].rebind();
    await moreReplies(traffic, 20);
    await boxes[1].rebind();
    await moreReplies(traffic, 20);
  });
});

test('a relay that loses all its rules is mended', async (t) => {
  const relay = await relayInUse();
  await whileTalking(t, async (traffic) => {
    await relay.run(['nft', 'flush', 'ruleset']);
    await moreReplies(traffic, 20);
  });
  await until('the relay forwards again', { seconds: 40 }, async () => (await heldBy(relay)) >= 2);
});

test('a host that is disabled is forwarded no more, and again when it is enabled', async () => {
  await lab.server.admin('host', 'disable', 'b');
  for (const relay of relays)
    await until(`${relay.name} holds nothing`, { seconds: 10 }, async () => (await heldBy(relay)) === 0);
  await lab.server.admin('host', 'enable', 'b');
  await waitForPaths([from, to], 40);
});

test('when the relay in use is cut off, the other one takes over', async (t) => {
  const relay = await relayInUse();
  await whileTalking(t, async (traffic) => {
    await lab.underlay.setLink(relay.namespace, 'down');
    await moreReplies(traffic, 20);
  });
  assert.notEqual((await relayInUse()).name, relay.name);
});
