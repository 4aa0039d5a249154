import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Status } from '../../agent/local/api.ts';
import { createAgentCall } from '../../agent/local/client.ts';
import type { LabContainer } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openLab, waitForPaths } from '../support/lab.ts';
import { startTraffic } from '../support/traffic.ts';
import { until } from '../support/wait.ts';

/** The network below the mesh carries IPv6 alone. */
const labs: Lab[] = [];
after(() => labs.forEach((lab) => lab.close()));

async function labOf(families: 'ipv6'): Promise<Lab> {
  const lab = await openLab(families);
  labs.push(lab);
  return lab;
}

const containersOn = (...hosts: LabHost[]): Promise<LabContainer[]> =>
  Promise.all(hosts.map((host) => host.addContainer()));

const peerOf = async (host: LabHost, peer: LabHost): Promise<Status['peers'][number]> => {
  const { peers } = await createAgentCall(host.runDir)('status', {});
  const found = peers.find(({ name }) => name === peer.name);
  assert.ok(found, `${host.name} knows ${peer.name}`);
  return found;
};

const familyOf = (endpoint: string | null): string => (endpoint?.startsWith('[') === true ? 'IPv6' : 'IPv4');

async function untilSentOver(family: string, host: LabHost, peer: LabHost, seconds = 30): Promise<void> {
  await until(`${host.name} sends to ${peer.name} over ${family}`, { seconds, everyMilliseconds: 100 }, async () => {
    const { endpoint, path, rttMs } = await peerOf(host, peer);
    assert.equal(`${familyOf(endpoint)} ${path} ${rttMs === null}`, `${family} direct false`);
    return true;
  });
}

test('hosts and a server that have IPv6 alone enrol, and containers reach each other over both families', async () => {
  const lab = await labOf('ipv6');
  const [one, other] = [await lab.addMember(), await lab.addMember()];
  const [from, to] = (await containersOn(one, other)) as [LabContainer, LabContainer];
  await waitForPaths([from, to], 40);
  await untilSentOver('IPv6', one, other);
  for (const family of [4, 6] as const) {
    const traffic = await startTraffic(from, to, { family });
    await until('replies come', { seconds: 20 }, () => traffic.received() >= 50);
    assert.deepEqual((await traffic.stop()).lost, []);
  }
  const { nat, mappedEndpoints, peers } = await createAgentCall(one.runDir)('status', {});
  assert.deepEqual({ nat, mappedEndpoints, mtu: peers[0]?.mtu }, { nat: 'none', mappedEndpoints: [], mtu: null });

  // A way of IPv6 that shrinks is found as one of IPv4 is; the router tells the kernel that sends.
  await lab.underlay.setMtu(other.namespace, 1400);
  await until('the MTU is found', { seconds: 40 }, async () => {
    const { mtu } = await peerOf(one, other);
    assert.ok(mtu !== null && mtu <= 1400 - 80 && mtu >= 1280, String(mtu));
    return true;
  });
  await until('large pings come back', { seconds: 30 }, async () => {
    const argv = ['ping', '-n', '-c', '3', '-i', '0.05', '-W', '1', '-s', '9972', to.addresses[1] ?? ''];
    return (await from.run(argv)).stdout.includes(' 0% packet loss');
  });
});
