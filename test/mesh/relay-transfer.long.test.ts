import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { download, serveDownloads } from '../support/download.ts';
import type { LabContainer } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openLab, waitForPaths } from '../support/lab.ts';
import { longestGap, startTraffic } from '../support/traffic.ts';
import { until } from '../support/wait.ts';

/**
 * Two hosts between which a wall lets no UDP pass, and two relays: what is being sent goes on when the relay in use dies,
 * and when the wall falls.
 */
let lab: Lab;
let relays: LabHost[];
let a: LabHost;
let b: LabHost;
let from: LabContainer;
let to: LabContainer;

before(async () => {
  lab = await openLab();
  relays = [await lab.addMember(), await lab.addMember()];
  for (const { name } of relays) await lab.server.admin('host', 'set', name, '--relay', 'on');
  a = await lab.addHost('a');
  b = await lab.addHost('b');
  await wall(a, b);
  await Promise.all([lab.enrol(a), lab.enrol(b)]);
  from = await a.addContainer();
  to = await b.addContainer();
  await waitForPaths([from, to], 40);
  await serveDownloads(to);
});
after(() => lab?.close());

/** In the way of everything but the agents' own rules: nobody's firewall of these hosts, but a router's. */
async function wall(host: LabHost, other: LabHost): Promise<void> {
  const { address } = other;
  const rules = `table netdev wall {
    chain out { type filter hook egress device eth0 priority 0; ip daddr ${address} udp dport 1-65535 drop; }
    chain in { type filter hook ingress device eth0 priority 0; ip saddr ${address} udp dport 1-65535 drop; }
  }`;
  await host.run(['nft', '-f', '-'], { input: rules });
}

const pathOf = async (host: LabHost, peer: LabHost): Promise<{ path: string; via: string | null } | undefined> => {
  const { peers } = (await host.status()) as { peers: { name: string; path: string; via: string | null }[] };
  return peers.find(({ name }) => name === peer.name);
};

const isDirect = async (host: LabHost, peer: LabHost): Promise<boolean> =>
  ['lan', 'direct'].includes((await pathOf(host, peer))?.path ?? '');

async function relayInUse(): Promise<LabHost> {
  return until('a sends through a relay', { seconds: 20 }, async () => {
    const { path, via } = (await pathOf(a, b)) ?? {};
    assert.equal(path, 'relay');
    return relays.find(({ name }) => name === via);
  });
}

test('a download goes on when the relay it comes through is cut off', async (t) => {
  const relay = await relayInUse();
  const { isWhole, bytes, silence } = await download(from, to, () => lab.underlay.setLink(relay.namespace, 'down'));
  t.diagnostic(`TCP was silent for ${silence} s`);
  assert.deepEqual([isWhole, bytes], [true, 300 * 32768]);
  assert.notEqual((await relayInUse()).name, relay.name);
  await lab.underlay.setLink(relay.namespace, 'up');
});

test('a download moves to the direct way once there is one, and nothing is lost or sent back and forth', async (t) => {
  await relayInUse();
  const traffic = await startTraffic(from, to, { perSecond: 100 });
  const { isWhole, silence } = await download(from, to, async () => {
    await a.run(['nft', 'delete', 'table', 'netdev', 'wall']);
    await until('both talk directly', { seconds: 30 }, async () => (await isDirect(a, b)) && (await isDirect(b, a)));
  });
  const had = traffic.received();
  await until('a few seconds more', { seconds: 20 }, () => traffic.received() >= had + 300);
  const { lost, duplicates, sent } = await traffic.stop();
  t.diagnostic(`${lost.length} of ${sent} lost (longest gap ${longestGap(lost) / 100} s), TCP silent ${silence} s`);
  assert.ok(isWhole);
  assert.deepEqual([lost.length, duplicates], [0, 0]);
  assert.deepEqual([await isDirect(a, b), await isDirect(b, a)], [true, true]);
});
