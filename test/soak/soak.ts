/**
 * `npm run soak`: real hosts in namespaces with real tunnels, a full mesh in which everybody pings everybody, then random
 * flaps, moves and kills for a while. At the end all must reach each other, and nobody may hold more than at the start.
 *   npm run soak -- [--hosts 50] [--minutes 30] [--seed N]
 */
import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { chanceOf } from '../loop/random.ts';
import { addBox } from '../support/lab-nat.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { createDisturbances } from './disturb.ts';
import { describeHoldings, takeHoldings, whatGrew } from './measure.ts';
import { unreachablePairs } from './pings.ts';

const { values } = parseArgs({
  options: { hosts: { type: 'string' }, minutes: { type: 'string' }, seed: { type: 'string' } },
});
const hostCount = Number(values.hosts ?? 50);
const minutes = Number(values.minutes ?? 30);
const seed = Number(values.seed ?? randomInt(2 ** 31));
const startedAt = performance.now();

const tell = (text: string): void => void process.stdout.write(`${text}\n`);
const note = (text: string): void => tell(`${((performance.now() - startedAt) / 1000).toFixed(1)} s: ${text}`);

async function main(): Promise<void> {
  if (!(hostCount >= 2 && minutes >= 0)) throw new Error('give at least 2 hosts, and 0 minutes or more');
  note(`${hostCount} hosts, ${minutes} minutes, seed ${seed}`);
  const lab = await openLab();
  try {
    await soak(lab);
  } finally {
    lab.close();
  }
}

async function soak(lab: Lab): Promise<void> {
  await fill(lab);
  await reachAll(lab, 180);
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
  await reachAll(lab, 240);
  const after = await takeHoldings(lab);
  tell(describeHoldings('at the end', after));
  const grown = whatGrew(before, after);
  if (grown.length > 0) throw new Error(grown.join('; '));
}

/** All at once, the first one as a relay. */
async function fill(lab: Lab): Promise<void> {
  const token = await lab.token();
  for (let n = 0; n < hostCount; n += 1) {
    const host = await lab.addHost();
    await host.join(token);
  }
  await lab.server.admin('host', 'set', lab.hosts[0]?.name ?? '', '--relay', 'on');
  note('all have joined; their agents start at once');
  await Promise.all(lab.hosts.map((host) => host.startAgent()));
  await Promise.all(lab.hosts.map((host) => host.waitUntil('live', 120)));
}

async function reachAll(lab: Lab, seconds: number): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  const pairs = (lab.hosts.length * (lab.hosts.length - 1)) / 2;
  for (;;) {
    const missing = await unreachablePairs(lab.hosts).catch((error: unknown) => [String(error)]);
    if (missing.length === 0) return note(`all ${pairs} pairs ping in both directions`);
    note(`not yet: ${missing.length} of ${2 * pairs}, ${missing.slice(0, 5).join(', ')}`);
    if (performance.now() > deadline) throw new Error(`after ${seconds} s without disturbance: ${missing.join(', ')}`);
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
