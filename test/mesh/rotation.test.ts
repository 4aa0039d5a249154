import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openMesh, pairs } from '../support/lab.ts';
import { startTraffic } from '../support/traffic.ts';
import { until } from '../support/wait.ts';

let lab: Lab;

before(async () => {
  lab = await openMesh(2);
});
after(() => lab?.close());

const keyOf = async (host: LabHost): Promise<string> =>
  (await host.run(['wg', 'show', host.interfaceName, 'public-key'])).stdout;
const peersOf = async (host: LabHost): Promise<string> =>
  (await host.run(['wg', 'show', host.interfaceName, 'peers'])).stdout;
const isDue = async (name: string): Promise<boolean> =>
  ((await lab.server.admin('host', 'show', name)) as { isRotationDue: boolean }).isRotationDue;

for (const index of [0, 1]) {
  test(`host ${index + 1} of two gets a new key, and traffic goes on seconds later, in the direction it went`, async (t) => {
    const [one, other] = index === 0 ? lab.hosts : [...lab.hosts].reverse();
    const [path] = pairs(lab.hosts.flatMap((host) => host.containers));
    assert.ok(one !== undefined && other !== undefined && path !== undefined);
    const old = await keyOf(one);
    const kept = await keyOf(other);
    const traffic = await startTraffic(...path);
    await lab.server.admin('host', 'rotate', one.name);
    await until('the new key is used, and its peer knows it alone', { seconds: 10 }, async () => {
      const key = await keyOf(one);
      return key !== old && (await peersOf(other)) === key;
    });
    const replies = traffic.received();
    await until('traffic goes on', { seconds: 10 }, () => traffic.received() >= replies + 100);
    const { lost, sent, duplicates } = await traffic.stop();
    // A tunnel to a new key needs a new handshake; WireGuard tries again after five seconds where both begin at once.
    t.diagnostic(`${lost.length} of ${sent} packets lost at 100 a second`);
    assert.equal(duplicates, 0);
    assert.equal(await isDue(one.name), false);
    assert.equal(await keyOf(other), kept);
    for (const host of lab.hosts) await host.waitUntil('ready', 10);
  });
}
