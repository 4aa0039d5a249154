/** How long until the first packet: each contender is stopped and started again, in turns. */
import { setTimeout as pause } from 'node:timers/promises';
import type { BenchContext } from '../context.ts';
import { type Figure, figure } from '../figures.ts';
import type { Contender } from './contender.ts';
import type { Field } from './field.ts';
import { firstPacket, sourceOf } from './traffic.ts';

export interface Starts {
  /** Both hosts at once, by contender. */
  readonly together: readonly Figure[];
  /** Warren only: one host joins another that is there already, which is what the budget is about. */
  readonly join: Figure;
}

export async function measureStarts(field: Field, { isQuick, tell }: BenchContext): Promise<Starts> {
  const contenders = [field.warren, field.byHand, field.plain, field.tinc, field.nebula];
  const samples = contenders.map((): number[] => []);
  const joins: number[] = [];
  for (let round = 0; round < (isQuick ? 2 : 5); round += 1) {
    for (const [i, contender] of contenders.entries()) {
      await contender.stop();
      samples[i]?.push(await timed(contender, () => contender.start()));
    }
    await field.warren.leaveSecond();
    joins.push(await timed(field.warren, () => field.warren.joinSecond()));
    const seen = contenders.map((one, i) => `${one.name} ${Math.round(samples[i]?.at(-1) ?? 0)}`);
    tell(`starts ${round + 1}: ${seen.join(', ')}; warren join ${Math.round(joins.at(-1) ?? 0)} ms`);
  }
  return {
    together: contenders.map((one, i) => figure(`data/start/${one.name}`, 'ms', samples[i] ?? [])),
    join: figure('data/join/warren', 'ms', joins, 'from `warren join` on the second host to the first echo reply'),
  };
}

async function timed(contender: Contender, begin: () => Promise<void>): Promise<number> {
  // What was stopped is let settle; nothing is timed yet.
  await pause(300);
  const startedAt = performance.now();
  const [ms] = await Promise.all([firstPacket(sourceOf(contender), () => contender.target(), startedAt), begin()]);
  return ms;
}
