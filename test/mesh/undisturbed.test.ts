import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openMesh, pairs } from '../support/lab.ts';
import { type Traffic, startTraffic } from '../support/traffic.ts';
import { until } from '../support/wait.ts';

/** Of four hosts each; `npm run test:long` has five of them. */
const waves = Number(process.env['WARREN_WAVES'] ?? 3);

let lab: Lab;
let members: LabHost[];

before(async () => {
  lab = await openMesh(3);
  members = [...lab.hosts];
});
after(() => lab?.close());

/** Runs 100 packets a second between all pairs of the three hosts while `change` happens; none may be lost. */
async function withoutLoss(change: () => Promise<void>): Promise<void> {
  const containers = members.flatMap((host) => host.containers);
  const all: Traffic[] = [];
  for (const [from, to] of pairs(containers)) all.push(await startTraffic(from, to));
  await change();
  for (const traffic of all) await moreReplies(traffic, 50);
  const losses = await Promise.all(all.map((traffic) => traffic.stop()));
  assert.deepEqual(
    losses.filter((loss) => loss.lost.length > 0),
    [],
  );
}

async function moreReplies(traffic: Traffic, count: number): Promise<void> {
  const before = traffic.received();
  await until(`${count} replies more`, { seconds: 10 }, () => traffic.received() >= before + count);
}

test(`${4 * waves} hosts join and leave without a packet lost between the others`, async () => {
  await withoutLoss(async () => {
    const guests: LabHost[] = [];
    for (let wave = 0; wave < waves; wave += 1) {
      const joined = await Promise.all(Array.from({ length: 4 }, () => lab.addMember()));
      guests.push(...joined);
    }
    await until(
      'the three know all their peers',
      { seconds: 20 },
      async () => (await peersOf(members[0])) === 2 + 4 * waves,
    );
    await Promise.all(guests.slice(0, 2 * waves).map(leave));
    for (const guest of guests.slice(2 * waves)) await lab.server.admin('host', 'rm', guest.name, '--yes');
    await until('the three know each other only', { seconds: 20 }, async () => (await peersOf(members[0])) === 2);
    await Promise.all(guests.slice(2 * waves).map((guest) => guest.stopAgent('SIGKILL')));
  });
});

async function leave(guest: LabHost): Promise<void> {
  await guest.warren(['leave', '--purge']);
}

async function peersOf(host: LabHost | undefined): Promise<number> {
  if (host === undefined) return -1;
  const { stdout } = await host.run(['wg', 'show', host.interfaceName, 'peers']);
  return stdout.split('\n').length;
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`each agent ends by ${signal} and comes back without a packet lost`, async () => {
    await withoutLoss(async () => {
      for (const host of members) {
        await host.stopAgent(signal);
        await host.startAgent();
        await host.waitUntil('ready');
      }
    });
  });

  test(`the server ends by ${signal} and comes back without a packet lost`, async () => {
    await withoutLoss(async () => {
      await lab.server.stop(signal);
      await Promise.all(pairs(members.flatMap((host) => host.containers)).map(([from, to]) => reach(from, to)));
      await lab.server.start();
      for (const host of members) await host.waitUntil('ready');
    });
  });
}

async function reach(from: LabHost['containers'][0], to: LabHost['containers'][0]): Promise<void> {
  await from.run(['ping', '-n', '-c', '100', '-i', '0.01', '-W', '5', to.addresses[0] ?? '']);
}
