import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { addPrefixes, removePrefixes } from '../../agent/system/allowed-ips.ts';
import { parseCidr } from '../../shared/net/cidr.ts';
import { parsePublicKey } from '../../shared/wireguard.ts';
import { type Lab, openLab, waitForPaths } from '../support/lab.ts';
import { systemInside } from '../support/namespace-system.ts';
import { startTraffic } from '../support/traffic.ts';

const prefixes = ['192.168.98.0/24', 'fd98::/64'].map(parseCidr);

let lab: Lab;
before(async () => {
  lab = await openLab();
  for (const host of [await lab.addMember(), await lab.addMember()]) await host.addContainer();
  await waitForPaths(lab.hosts.flatMap((host) => host.containers));
});
after(() => lab?.close());

test('a peer gains and loses prefixes a hundred times without a packet lost to it', async () => {
  const [near, far] = lab.hosts;
  const [from, to] = lab.hosts.flatMap((host) => host.containers);
  assert.ok(near !== undefined && far !== undefined && from !== undefined && to !== undefined);
  // The agent would take away what it did not give; the tunnel goes on without it.
  await near.stopAgent('SIGTERM');
  const system = systemInside(near.namespace);
  const show = async (what: string) => (await near.run(['wg', 'show', near.interfaceName, what])).stdout;
  const publicKey = parsePublicKey((await far.run(['wg', 'show', far.interfaceName, 'public-key'])).stdout.trim());
  const before = await show('allowed-ips');
  const traffic = await startTraffic(from, to, { perSecond: 500 });
  for (let round = 0; round < 100; round += 1) {
    await addPrefixes(system, near.interfaceName, [{ publicKey, prefixes }]);
    if (round === 0) for (const prefix of prefixes) assert.ok((await show('allowed-ips')).includes(prefix));
    await removePrefixes(system, near.interfaceName, prefixes);
  }
  assert.deepEqual((await traffic.stop()).lost, []);
  assert.equal(await show('allowed-ips'), before);
  assert.equal((await show('peers')).trim(), publicKey);
});
