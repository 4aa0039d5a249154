/** All contenders, each in a topology of its own, started and carrying packets. */
import type { BenchContext } from '../context.ts';
import { createByHand } from './by-hand.ts';
import type { Contender } from './contender.ts';
import { createNebula } from './nebula.ts';
import { createPlain } from './plain.ts';
import { createTinc } from './tinc.ts';
import { type Topology, createTopology } from './topology.ts';
import { firstPacket, listenFor, sourceOf } from './traffic.ts';
import { type WarrenContender, createWarren } from './with-warren.ts';

export interface Field {
  readonly warren: WarrenContender;
  readonly byHand: Contender;
  /** A second copy of `byHand`. */
  readonly control: Contender;
  readonly plain: Contender;
  readonly tinc: Contender;
  readonly nebula: Contender;
}

export async function createField(context: BenchContext): Promise<Field> {
  const topology = (letter: string): Promise<Topology> => createTopology(context, letter);
  const warren = await createWarren(context, await topology('w'));
  await launch(warren, context);
  const wireguardGo = await warren.backend();
  if (wireguardGo === undefined) {
    throw new Error('this kernel has WireGuard, and the bench knows wireguard-go by hand only');
  }
  const field: Field = {
    warren,
    byHand: await createByHand(context, { name: 'by hand', topology: await topology('a'), wireguardGo }),
    control: await createByHand(context, { name: 'by hand again', topology: await topology('b'), wireguardGo }),
    plain: createPlain(await topology('p')),
    tinc: await createTinc(context, await topology('t')),
    nebula: await createNebula(context, await topology('n')),
  };
  for (const contender of contendersOf(field)) {
    if (contender !== warren) await launch(contender, context);
    await listenFor(contender, context);
  }
  return field;
}

export const contendersOf = (field: Field): Contender[] => [
  field.warren,
  field.byHand,
  field.control,
  field.plain,
  field.tinc,
  field.nebula,
];

async function launch(contender: Contender, { tell }: BenchContext): Promise<void> {
  const startedAt = performance.now();
  await contender.start();
  const ms = await firstPacket(sourceOf(contender), () => contender.target(), startedAt);
  tell(`${contender.name} carries packets after ${Math.round(ms)} ms: ${contender.about}`);
}
