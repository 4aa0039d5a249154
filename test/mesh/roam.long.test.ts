import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Downloaded, download, serveDownloads } from '../support/download.ts';
import type { LabContainer } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type NatBox, addBox } from '../support/lab-nat.ts';
import { type Lab, openLab, waitForPaths } from '../support/lab.ts';

/** A host that changes its uplink, or whose NAT forgets it, goes on with what it was doing. */
let lab: Lab;
/** Nobody moves it. It can be reached by all. */
let fixed: LabContainer;
let roamer: LabHost;
let moving: LabContainer;
let home: NatBox;

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

function assertWhole({ isWhole, bytes, silence }: Downloaded): void {
  process.stdout.write(`# longest silence ${silence} s\n`);
  assert.deepEqual([isWhole, bytes], [true, 300 * 32768]);
}

test('a download goes on when the NAT forgets the host and gives it another port', async () => {
  assertWhole(await download(moving, fixed, () => home.rebind()));
});

test('a download goes on when the host moves behind another box, and from there to a bare address', async () => {
  const cafe = await addBox(lab, { kind: 'symmetric' });
  assertWhole(await download(moving, fixed, () => lab.move(roamer, cafe)));
  assertWhole(await download(moving, fixed, () => lab.move(roamer, lab.underlay)));
  assertWhole(await download(moving, fixed, () => lab.move(roamer, home)));
});
