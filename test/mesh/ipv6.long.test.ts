import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Status } from '../../agent/local/api.ts';
import { createAgentCall } from '../../agent/local/client.ts';
import type { LabContainer } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openLab, waitForPaths } from '../support/lab.ts';
import { formatToken, parseToken } from '../../shared/token.ts';
import { runInside } from '../support/namespace.ts';
import { startTraffic } from '../support/traffic.ts';
import { until } from '../support/wait.ts';

/** The network below the mesh carries IPv6 alone, or both, or to each host another one. */
const labs: Lab[] = [];
after(() => labs.forEach((lab) => lab.close()));

async function labOf(families: 'ipv6' | 'dual'): Promise<Lab> {
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

/** Nothing of the family passes between hosts, and nobody is told; undone by an empty one. */
async function block(lab: Lab, rule: string): Promise<void> {
  const chain = `  chain f {\n    type filter hook forward priority 0;\n    ${rule}\n  }`;
  const text = `table inet cut {\n}\ndelete table inet cut\ntable inet cut {\n${chain}\n}\n`;
  await runInside(lab.underlay.router, ['nft', '-f', '-'], { input: text });
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

test('hosts with both families go over one of them, to the other one when it ends, and do not come back for nothing', async () => {
  const lab = await labOf('dual');
  const [one, other] = [await lab.addMember(), await lab.addMember()];
  const [from, to] = (await containersOn(one, other)) as [LabContainer, LabContainer];
  await waitForPaths([from, to], 40);
  await block(lab, 'meta nfproto ipv4 udp dport 51820 drop');
  await untilSentOver('IPv6', one, other);
  await untilSentOver('IPv6', other, one);
  await block(lab, '');

  const traffic = await startTraffic(from, to, { perSecond: 20 });
  const used: string[] = [];
  const watching = new AbortController();
  const watch = (async () => {
    while (!watching.signal.aborted) {
      const { endpoint } = await peerOf(one, other).catch(() => ({ endpoint: null }));
      if (endpoint !== null && used.at(-1) !== endpoint) used.push(endpoint);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  const replies = async (): Promise<void> => {
    const had = traffic.received();
    await until('replies come again', { seconds: 30 }, () => traffic.received() >= had + 40);
  };
  try {
    await replies();
    await block(lab, 'meta nfproto ipv6 udp dport 51820 drop');
    await untilSentOver('IPv4', one, other);
    await untilSentOver('IPv4', other, one);
    await replies();
    await block(lab, '');
    await replies();
    await block(lab, 'meta nfproto ipv4 udp dport 51820 drop');
    await untilSentOver('IPv6', one, other);
    await untilSentOver('IPv6', other, one);
    await replies();
  } finally {
    watching.abort();
    await watch;
    await traffic.stop();
  }
  assert.deepEqual(used.map(familyOf), ['IPv6', 'IPv4', 'IPv6'], used.join(' '));
});

test('a host with IPv4 alone and one with IPv6 alone meet through a relay that has both, over TLS', async () => {
  const lab = await labOf('dual');
  const relay = await lab.addHost('relay');
  relay.settings['WARREN_RELAY_TLS'] = '[::]:443';
  await lab.enrol(relay);
  await lab.server.admin('host', 'set', relay.name, '--relay', 'on');
  const four = await lab.addHost('four', lab.underlay.only(4));
  const six = await lab.addHost('six', lab.underlay.only(6));
  await lab.enrol(four);
  // The token names the server by its IPv4 address; any other way to it is as good, for it is known by its key.
  const token = parseToken(await lab.token());
  await six.join(formatToken({ ...token, serverUrl: 'https://[2001:db8::2]:8443' }));
  await six.startAgent();
  await six.waitUntil('ready');
  await untilSentOver('IPv4', four, relay);
  await untilSentOver('IPv6', six, relay);
  const [from, to] = (await containersOn(four, six)) as [LabContainer, LabContainer];
  await until('both send through the relay', { seconds: 60 }, async () => {
    const [there, back] = [await peerOf(four, six), await peerOf(six, four)];
    assert.deepEqual([there.path, there.via, back.path, back.via], ['tls', 'relay', 'tls', 'relay']);
    assert.match(there.whyNotDirect ?? '', /has only IPv6 endpoints, and this host has only IPv4/);
    return true;
  });
  for (const family of [4, 6] as const) {
    const traffic = await startTraffic(from, to, { family, perSecond: 20 });
    await until('replies come', { seconds: 20 }, () => traffic.received() >= 40);
    await traffic.stop();
  }
});
