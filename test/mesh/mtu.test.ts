import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { download, serveDownloads } from '../support/download.ts';
import type { LabContainer } from '../support/lab-container.ts';
import { type NatBox, addBox } from '../support/lab-nat.ts';
import { type Lab, openLab, waitForPaths } from '../support/lab.ts';
import { until } from '../support/wait.ts';

/** The way between two hosts gets narrower while it is used, and the routers say so as they should. */
let lab: Lab;
let box: NatBox;
let near: LabContainer;
let far: LabContainer;

before(async () => {
  lab = await openLab();
  box = await addBox(lab, { kind: 'easy' });
  const hosts = [await lab.addMember(), await lab.enrol(await lab.addHost('h2', box))];
  [near, far] = (await Promise.all(hosts.map((host) => host.addContainer()))) as [LabContainer, LabContainer];
  await waitForPaths([near, far]);
  await serveDownloads(far);
});
after(() => lab?.close());

/** In one piece up to the tunnel's own MTU; larger ones in pieces. */
async function pingsOf(bytes: number): Promise<void> {
  await until(`pings of ${bytes} bytes come back`, { seconds: 20 }, async () => {
    const argv = ['ping', '-n', '-c', '3', '-i', '0.05', '-W', '1', '-s', String(bytes - 28), near.addresses[0] ?? ''];
    return (await far.run(argv)).stdout.includes(' 0% packet loss');
  });
}

for (const bytes of [1400, 1280]) {
  test(`a way that shrinks to ${bytes} bytes during a download carries it to its end, and large pings as well`, async () => {
    const { isWhole } = await download(near, far, () => box.setMtu(bytes));
    assert.ok(isWhole);
    for (const size of [1300, 1420, 10_000]) await pingsOf(size);
  });
}

test('what is wide again is used again', async () => {
  await box.setMtu(1500);
  const { isWhole } = await download(near, far);
  assert.ok(isWhole);
  await pingsOf(10_000);
});
