/**
 * The data path: the same two hosts, joined in six ways at once, measured in interleaved rounds so that a neighbour's
 * load hits all of them alike. Ratios are taken within a round. WireGuard by hand runs twice, because what differs
 * between its two copies is what the method cannot tell apart.
 */
import type { BenchContext } from '../context.ts';
import { type SectionResult, median } from '../figures.ts';
import type { Contender } from './contender.ts';
import { type Field, contendersOf, createField } from './field.ts';
import { judgeData } from './judge.ts';
import { measureStarts } from './starts.ts';
import { type Transfer, pings, transfer } from './traffic.ts';

export interface Rounds {
  /** By contender's name; undefined where a contender sat a round out. */
  readonly transfers: ReadonlyMap<string, readonly (Transfer | undefined)[]>;
  /** Median round trip of each round, ms. */
  readonly roundTrips: ReadonlyMap<string, readonly (number | undefined)[]>;
}

export async function benchData(context: BenchContext): Promise<SectionResult> {
  const field = await createField(context);
  const count = context.isQuick ? 3 : 12;
  const roundTrips = await inRounds(field, count, async (one) => median(await pings(one, context.isQuick ? 60 : 300)));
  context.tell('round trips measured');
  const transfers = await inRounds(
    field,
    count,
    (one) => transfer(one, context.isQuick ? 1 : 3),
    (round) => context.tell(`throughput round ${round + 1} of ${count}`),
  );
  const starts = await measureStarts(field, context);
  return judgeData({ transfers, roundTrips }, starts, contendersOf(field));
}

/**
 * Forth and back, so that a slow drift cancels. Warren and the two copies by hand run in every round, the others in
 * every fourth: their distance is large, and their time is better spent where 3 % matter.
 */
async function inRounds<T>(
  field: Field,
  count: number,
  measure: (contender: Contender) => Promise<T>,
  onRound: (round: number) => void = () => {},
): Promise<Map<string, (T | undefined)[]>> {
  const always = [field.byHand, field.warren, field.control];
  const results = new Map<string, (T | undefined)[]>(contendersOf(field).map((one) => [one.name, []]));
  for (let round = 0; round < count; round += 1) {
    const order = round % 4 === 0 ? [...always, field.tinc, field.nebula, field.plain] : [...always];
    if (round % 2 === 1) order.reverse();
    for (const contender of order) {
      const list = results.get(contender.name) ?? [];
      list[round] = await measure(contender);
    }
    onRound(round);
  }
  return results;
}
