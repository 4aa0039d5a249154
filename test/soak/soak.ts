/**
 * `npm run soak`: real hosts in namespaces with real tunnels, a full mesh in which everybody pings everybody, then random
 * flaps, moves and kills for a while. At the end all must reach each other, and nobody may hold more than at the start.
 *   npm run soak -- [--hosts 50] [--minutes 30] [--seed N]
 */
import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { chanceOf } from '../loop/random.ts';
import type { LabHost } from '../support/lab-host.ts';
import { addBox } from '../support/lab-nat.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { createDisturbances } from './disturb.ts';
import { describeHoldings, takeHoldings, whatGrew } from './measure.ts';
import { explain, nameOf, overlayAddresses, statusOf, unreachablePairs } from './pings.ts';

const { values } = parseArgs({
  options: { hosts: { type: 'string' }, minutes: { type: 'string' }, seed: { type: 'string' } },
});
const hostCount = Number(values.hosts ?? 50);
const minutes = Number(values.minutes ?? 30);
const seed = Number(values.seed ?? randomInt(2 ** 31));
const startedAt = performance.now();
/** What has no end by itself: all of it takes this much longer than the disturbances at most. */
const besidesMinutes = 10 + hostCount / 2;
const joinsAtOnce = 3;

const tell = (text: string): void => void process.stdout.write(`${text}\n`);
const note = (text: string): void => tell(`${((performance.now() - startedAt) / 1000).toFixed(1)} s: ${text}`);

async function main(): Promise<void> {
  if (!(hostCount >= 2 && hostCount <= 80 && minutes >= 0))
    throw new Error('give 2 to 80 hosts, and 0 minutes or more');
  note(`${hostCount} hosts, ${minutes} minutes, seed ${seed}`);
  setTimeout(
    () => {
      note(`FAILED (seed ${seed}): not done ${besidesMinutes} minutes after the disturbances should have ended`);
      process.exit(1);
    },
    (minutes + besidesMinutes) * 60_000,
  ).unref();
  const lab = await openLab();
  try {
    await soak(lab);
  } finally {
    lab.close();
  }
}

async function soak(lab: Lab): Promise<void> {
  const addresses = await fill(lab);
  await reachAll(addresses, 180 + 6 * hostCount);
  // What the start took is given back meanwhile.
  await pause(20_000);
  const before = await takeHoldings(lab);
  tell(describeHoldings('at the start', before));
  const boxes = [await addBox(lab, { kind: 'easy' }), await addBox(lab, { kind: 'symmetric' })];
  const chance = chanceOf(seed);
  const disturbances = createDisturbances(lab, boxes, chance);
  const end = performance.now() + minutes * 60_000;
  while (performance.now() < end) {
    note(await disturbances.next());
    await pause(chance.below(4_000));
  }
  await disturbances.mend();
  note('no more disturbances');
  await reachAll(addresses, 180 + 4 * hostCount);
  await pause(20_000);
  const after = await takeHoldings(lab);
  tell(describeHoldings('at the end', after));
  const grown = whatGrew(before, after);
  if (grown.length > 0) throw new Error(grown.join('; '));
}

/** All start at once, the first one as a relay. Answers who has which address. */
async function fill(lab: Lab): Promise<ReadonlyMap<string, LabHost>> {
  const token = await lab.token();
  const waiting: LabHost[] = [];
  while (lab.hosts.length < hostCount) waiting.push(await lab.addHost());
  const join = async (): Promise<void> => {
    for (let host = waiting.shift(); host !== undefined; host = waiting.shift()) await host.join(token);
  };
  await Promise.all(Array.from({ length: joinsAtOnce }, join));
  await lab.server.admin('host', 'set', lab.hosts[0]?.name ?? '', '--relay', 'on');
  note('all have joined; their agents start at once');
  await Promise.all(lab.hosts.map((host) => host.startAgent()));
  const deadline = performance.now() + (60 + 6 * hostCount) * 1000;
  for (const host of lab.hosts) await untilPlaced(host, deadline);
  note('every agent has a map');
  return overlayAddresses(lab.hosts);
}

async function untilPlaced(host: LabHost, deadline: number): Promise<void> {
  for (;;) {
    const status = await statusOf(host).catch(() => undefined);
    if (status?.received != null && status.addresses.length > 0) return;
    if (performance.now() > deadline) throw new Error(`${host.name} has no map:\n${host.agentOutput().slice(-2000)}`);
    await pause(500);
  }
}

async function reachAll(addresses: ReadonlyMap<string, LabHost>, seconds: number): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  const pairs = (addresses.size * (addresses.size - 1)) / 2;
  for (;;) {
    const missing = await unreachablePairs(addresses).catch((error: unknown) => String(error));
    if (missing.length === 0) return note(`all ${pairs} pairs ping in both directions`);
    const all = typeof missing === 'string' ? [] : missing;
    const names = typeof missing === 'string' ? missing : missing.slice(0, 50).map(nameOf).join(', ');
    note(`not yet: ${all.length} of ${2 * pairs}, ${names.slice(0, 200)}`);
    if (performance.now() > deadline) {
      for (const pair of all.slice(0, 10)) note(await explain(pair));
      throw new Error(`after ${seconds} s without disturbance: ${names}`);
    }
    await pause(2_000);
  }
}

main().then(
  () => note('the soak is passed'),
  (error: unknown) => {
    note(`FAILED (seed ${seed}): ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    process.exitCode = 1;
  },
);
