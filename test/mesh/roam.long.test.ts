import assert from 'node:assert/strict';
import { type TestContext, after, before, test } from 'node:test';
import { type Downloaded, download, serveDownloads } from '../support/download.ts';
import type { LabContainer } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type NatBox, addBox } from '../support/lab-nat.ts';
import { type Lab, openLab, waitForPaths } from '../support/lab.ts';
import { longestGap, startTraffic } from '../support/traffic.ts';

/**
 * A host that changes its uplink, or whose NAT forgets it, goes on with what it was doing. Downloads run towards it, and
 * pings too, so that nothing it sends by itself tells the other side where it is now; TCP waits longer than the path
 * needs, so how long that takes is read off the pings.
 */
let lab: Lab;
/** Nobody moves it. It can be reached by all. */
let fixed: LabContainer;
let roamer: LabHost;
let moving: LabContainer;
let home: NatBox;
const perSecond = 50;

before(async () => {
  lab = await openLab();
  home = await addBox(lab, { kind: 'easy' });
  const hosts = await Promise.all([lab.addMember(), lab.addHost('roamer', home).then((host) => lab.enrol(host))]);
  [fixed, moving] = (await Promise.all(hosts.map((host) => host.addContainer()))) as [LabContainer, LabContainer];
  roamer = hosts[1];
  await waitForPaths([fixed, moving], 40);
  await serveDownloads(fixed);
});
after(() => lab?.close());

async function downloadWhile(t: TestContext, what: string, during: () => Promise<void>): Promise<void> {
  const traffic = await startTraffic(fixed, moving, { perSecond });
  let movedAt = 0;
  let doneAt = 0;
  const { isWhole, bytes, silence }: Downloaded = await download(moving, fixed, async () => {
    movedAt = performance.now();
    await during();
    doneAt = performance.now();
  });
  const { lost } = await traffic.stop();
  const took = ((doneAt - movedAt) / 1000).toFixed(2);
  const gap = (longestGap(lost) / perSecond).toFixed(2);
  t.diagnostic(`${what}: pings without an answer for ${gap} s, of which the change itself ${took} s; TCP ${silence} s`);
  assert.deepEqual([isWhole, bytes], [true, 300 * 32768]);
}

test('a download goes on when the NAT forgets the host and gives it another port', async (t) => {
  await downloadWhile(t, 'another mapping', () => home.rebind());
  await downloadWhile(t, 'another mapping', () => home.rebind());
});

test('a download goes on when the host moves behind another box, and from there to a bare address', async (t) => {
  const cafe = await addBox(lab, { kind: 'symmetric' });
  await downloadWhile(t, 'easy to symmetric', () => lab.move(roamer, cafe));
  await downloadWhile(t, 'symmetric to bare', () => lab.move(roamer, lab.underlay));
  await downloadWhile(t, 'bare to easy', () => lab.move(roamer, home));
});
