import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { PostQuantum } from '../../agent/psk/view.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, fillMesh, openLab, pairs, waitForPaths } from '../support/lab.ts';
import { type Traffic, startTraffic } from '../support/traffic.ts';
import { until } from '../support/wait.ts';

/**
 * Preshared keys on real tunnels: both sides have the same, they are renewed under traffic, agents die meanwhile, and one
 * that has none is no obstacle. WireGuard asks for a new session every 120 seconds, so the long one runs over three.
 */
let lab: Lab;
let one: LabHost;
let two: LabHost;

before(async () => {
  lab = await openLab();
  await fillMesh(lab, 2, 1);
  [one, two] = lab.hosts as [LabHost, LabHost];
});
after(() => lab?.close());

const publicKey = async (host: LabHost): Promise<string> =>
  (await host.run(['wg', 'show', host.interfaceName, 'public-key'])).stdout.trim();
/** What a host's kernel has for a peer. */
async function keyFor(host: LabHost, peer: LabHost): Promise<string | undefined> {
  const { stdout } = await host.run(['wg', 'show', host.interfaceName, 'preshared-keys']);
  const key = await publicKey(peer);
  const row = stdout.split('\n').find((line) => line.startsWith(key));
  const found = row?.split('\t')[1]?.trim();
  return found === '(none)' ? undefined : found;
}
const view = async (host: LabHost): Promise<PostQuantum | undefined> =>
  ((await host.status())['peers'] as { postQuantum: PostQuantum }[])[0]?.postQuantum;
const agreed = (seconds = 30, other?: string): Promise<unknown> =>
  until('both have the same preshared key', { seconds }, async () => {
    const [mine, yours] = [await keyFor(one, two), await keyFor(two, one)];
    return mine !== undefined && mine === yours && mine !== other;
  });
async function restart(host: LabHost, signal: NodeJS.Signals, settings: Record<string, string> = {}): Promise<void> {
  await host.stopAgent(signal);
  Object.assign(host.settings, settings);
  await host.startAgent();
  await host.waitUntil('ready', 120);
}
async function bothWays(): Promise<Traffic[]> {
  const all: Traffic[] = [];
  for (const [from, to] of pairs(lab.hosts.flatMap((host) => host.containers))) all.push(await startTraffic(from, to));
  return all;
}
async function lossless(all: readonly Traffic[]): Promise<void> {
  const losses = await Promise.all(all.map((traffic) => traffic.stop()));
  assert.deepEqual(
    losses.filter(({ lost }) => lost.length > 0).map(({ path, lost }) => [path, lost.length, lost.slice(0, 5)]),
    [],
  );
}

test('both sides of a pair have the same preshared key, and no command, status or log shows it', async () => {
  await agreed();
  const key = (await keyFor(one, two)) ?? '';
  for (const host of lab.hosts) {
    const shown = JSON.stringify(await host.status()) + (await host.warren(['status'])).stdout + host.agentOutput();
    assert.ok(!shown.includes(key));
    const { stdout } = await host.run(['sh', '-c', `stat -c %a ${host.stateDir}/psk ${host.stateDir}/psk/*`]);
    assert.deepEqual([...new Set(stdout.trim().split('\n'))], ['700', '600']);
  }
  assert.ok(['agreed', 'protected'].includes((await view(one))?.state ?? ''));
});

test('a hundred renewals under 100 packets a second both ways, over three handshakes, lose none', async (t) => {
  for (const host of lab.hosts) await restart(host, 'SIGTERM', { WARREN_PSK_RENEWAL: '2s' });
  const traffic = await bothWays();
  const seen = new Set<string>();
  const handshakes = new Set<string>();
  await until('a hundred keys and three more handshakes were seen', { seconds: 900 }, async () => {
    const key = await keyFor(one, two);
    if (key !== undefined) seen.add(key);
    handshakes.add((await one.run(['wg', 'show', one.interfaceName, 'latest-handshakes'])).stdout);
    return seen.size > 100 && handshakes.size > 3;
  });
  t.diagnostic(`${seen.size} keys, ${handshakes.size} handshakes`);
  await lossless(traffic);
  assert.equal((await view(one))?.why, null);
});

test('agents that are killed again and again while keys change lose nothing, and end with the same key', async () => {
  const traffic = await bothWays();
  for (let round = 0; round < 12; round += 1) {
    const host = round % 2 === 0 ? one : two;
    // At another moment of the two seconds each time.
    const before = await keyFor(host, host === one ? two : one);
    if (round % 3 === 0) await until('a key changes', { seconds: 30 }, async () => (await keyFor(one, two)) !== before);
    await restart(host, 'SIGKILL');
  }
  await agreed(60);
  await lossless(traffic);
});

test('a key that somebody sets by hand is put right, and nothing is lost', async () => {
  for (const host of lab.hosts) await restart(host, 'SIGTERM', { WARREN_PSK_RENEWAL: '1d' });
  await agreed();
  const key = await keyFor(one, two);
  const traffic = await bothWays();
  await one.run(['wg', 'set', one.interfaceName, 'peer', await publicKey(two), 'preshared-key', '/dev/null']);
  await until('it is back', { seconds: 10 }, async () => (await keyFor(one, two)) === key);
  await lossless(traffic);
});

test('one that lost all its keys is not cut off: both begin anew', async () => {
  const before = await keyFor(one, two);
  const traffic = await bothWays();
  await one.stopAgent('SIGKILL');
  await one.run(['rm', '-r', `${one.stateDir}/psk`, `${one.stateDir}/psk.json`]);
  await one.run(['wg', 'set', one.interfaceName, 'peer', await publicKey(two), 'preshared-key', '/dev/null']);
  await one.startAgent();
  await agreed(30, before);
  await lossless(traffic);
});

test('one whose agent has it off has none with anybody, without a packet lost, and both say so', async () => {
  const traffic = await bothWays();
  await restart(two, 'SIGTERM', { WARREN_PSK: 'off' });
  await until('neither has a key, and the other one knows why', { seconds: 30 }, async () => {
    const keys = [await keyFor(one, two), await keyFor(two, one)];
    return keys.every((key) => key === undefined) && /older, or has it off/.test((await view(one))?.why ?? '');
  });
  assert.match((await view(two))?.why ?? '', /off on this host/);
  await restart(two, 'SIGTERM', { WARREN_PSK: 'on' });
  await agreed();
  await lossless(traffic);
});

test('a new WireGuard key of one side makes them agree anew', async () => {
  const before = await keyFor(one, two);
  const old = await publicKey(one);
  await lab.server.admin('host', 'rotate', one.name);
  await until('the new key is used', { seconds: 20 }, async () => (await publicKey(one)) !== old);
  await waitForPaths(lab.hosts.flatMap((host) => host.containers));
  await agreed(30, before);
});
