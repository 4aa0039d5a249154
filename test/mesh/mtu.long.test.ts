import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { download, serveDownloads } from '../support/download.ts';
import type { LabContainer } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type NatBox, addBox } from '../support/lab-nat.ts';
import { type Lab, openLab, waitForPaths } from '../support/lab.ts';
import { ipBatch } from '../support/command.ts';
import { until } from '../support/wait.ts';

/** The way between two hosts gets narrower while it is used, and routers say so or do not. */
let lab: Lab;
let box: NatBox;
let inner: LabHost;
let near: LabContainer;
let far: LabContainer;

before(async () => {
  lab = await openLab();
  box = await addBox(lab, { kind: 'easy' });
  const outer = await lab.addMember();
  inner = await lab.enrol(await lab.addHost('h2', box));
  [near, far] = (await Promise.all([outer, inner].map((host) => host.addContainer()))) as [LabContainer, LabContainer];
  await waitForPaths([near, far]);
  await serveDownloads(far);
});
after(() => lab?.close());

async function mtuBecomes(mtu: number | null): Promise<void> {
  await until(`the peer's MTU is ${mtu}`, { seconds: 30 }, async () => {
    const { peers } = (await inner.status()) as { peers: { mtu: number | null }[] };
    return peers[0]?.mtu === mtu;
  });
}

/** In one piece up to the tunnel's own MTU; larger ones in pieces. */
async function pingsOf(bytes: number): Promise<void> {
  await until(`pings of ${bytes} bytes come back`, { seconds: 20 }, async () => {
    const argv = ['ping', '-n', '-c', '3', '-i', '0.05', '-W', '1', '-s', String(bytes - 28), near.addresses[0] ?? ''];
    return (await far.run(argv)).stdout.includes(' 0% packet loss');
  });
}

/** The kernel forgets what it was told of the way, and the host has another address: a reason to ask again at once. */
async function widen(address: string): Promise<void> {
  await box.setMtu(1500);
  await inner.run(['ip', 'route', 'flush', 'cache']);
  await ipBatch([`addr add ${address} dev eth0`], inner.namespace);
}

for (const { bytes, mtu, isTold } of [
  { bytes: 1400, mtu: 1328, isTold: false },
  { bytes: 1280, mtu: 1216, isTold: true },
]) {
  const how = isTold ? 'and says so' : 'and swallows what does not fit';
  test(`a way that shrinks to ${bytes} bytes ${how} carries a download to its end, and large pings as well`, async (t) => {
    const { isWhole, silence } = await download(near, far, () => box.setMtu(bytes, isTold));
    assert.ok(isWhole);
    t.diagnostic(`longest silence ${silence} s`);
    await mtuBecomes(mtu);
    for (const size of [1300, 1420, 10_000]) await pingsOf(size);
  });

  test(`a way of ${bytes} bytes that is wide again is used again`, async () => {
    await widen(`198.51.100.${bytes % 100}/32`);
    await mtuBecomes(null);
    assert.ok((await download(near, far)).isWhole);
    await pingsOf(10_000);
  });
}
