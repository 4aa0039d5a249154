import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PresharedKeyId } from '../../../agent/plan/preshared.ts';
import {
  type Choice,
  type Pair,
  type Role,
  type Word,
  hear,
  noPair,
  receive,
  say,
  tryOther,
} from '../../../agent/psk/pair.ts';

interface Side {
  readonly role: Role;
  pair: Pair;
  kernel: Choice;
  /** The question that an answer counts for. */
  asked: number | undefined;
  offered: PresharedKeyId | undefined;
}

type Packet =
  | { readonly kind: 'ask'; readonly to: number; readonly ask: number }
  | { readonly kind: 'word'; readonly to: number; readonly ask: number; readonly word: Word }
  | { readonly kind: 'answer'; readonly id: PresharedKeyId };

/** Two sides and the packets between them, of which any may come late, twice or never. */
class World {
  readonly sides: readonly [Side, Side] = [newSide('offerer'), newSide('answerer')];
  readonly wire: Packet[] = [];
  #count = 0;

  side(n: number): Side {
    return this.sides[n === 0 ? 0 : 1];
  }
  #change(side: Side, pair: Pair): void {
    if (pair === side.pair) return;
    side.pair = pair;
    side.asked = undefined;
  }
  ask(n: number): void {
    this.side(n).asked = this.#count += 1;
    this.wire.push({ kind: 'ask', to: 1 - n, ask: this.#count });
  }
  offer(): void {
    const [offerer, answerer] = this.sides;
    if (offerer.pair.held !== undefined || answerer.pair.held?.as === 'before') return;
    if (say(answerer.pair, answerer.kernel) === undefined || offerer.pair.set !== answerer.kernel) return;
    const id = (this.#count += 1).toString(16).padStart(16, '0') as PresharedKeyId;
    offerer.offered = id;
    this.#change(answerer, receive(answerer.pair, 'answerer', id) ?? answerer.pair);
    this.wire.push({ kind: 'answer', id });
  }
  deliver(packet: Packet): void {
    if (packet.kind === 'answer') {
      const [offerer] = this.sides;
      if (offerer.offered !== packet.id) return;
      offerer.offered = undefined;
      return this.#change(offerer, receive(offerer.pair, 'offerer', packet.id) ?? offerer.pair);
    }
    const side = this.side(packet.to);
    if (packet.kind === 'ask') {
      const word = say(side.pair, side.kernel);
      if (word !== undefined) this.wire.push({ kind: 'word', to: 1 - packet.to, ask: packet.ask, word });
      return;
    }
    if (side.asked !== packet.ask) return;
    side.asked = undefined;
    this.#change(side, hear(side.pair, side.role, packet.word));
  }
  do([what, where]: Move): void {
    const n = where % 2;
    const at = this.wire.length === 0 ? 0 : where % this.wire.length;
    const packet = this.wire[at];
    if (what === 'ask') this.ask(n);
    if (what === 'offer') this.offer();
    if (what === 'kernel') this.side(n).kernel = this.side(n).pair.set;
    if (what === 'crash') Object.assign(this.side(n), { asked: undefined, offered: undefined });
    if (what === 'other') this.#change(this.side(n), tryOther(this.side(n).pair, this.side(n).role));
    if (what === 'forget') Object.assign(this.side(n), newSide(this.side(n).role));
    if (packet === undefined) return;
    if (what === 'deliver' || what === 'lose') this.wire.splice(at, 1);
    if (what === 'deliver' || what === 'double') this.deliver(packet);
  }
  /** From now on nothing is lost. */
  calm(): void {
    for (let round = 0; round < 12; round += 1) {
      for (const n of [0, 1]) {
        this.side(n).kernel = this.side(n).pair.set;
        this.wire.length = 0;
        this.ask(n);
        this.do(['deliver', 0]);
        this.do(['deliver', 0]);
        this.side(n).kernel = this.side(n).pair.set;
      }
    }
  }
}

const newSide = (role: Role): Side => ({ role, pair: noPair, kernel: undefined, asked: undefined, offered: undefined });

type Move = readonly [what: string, where: number];
const moves = (...more: string[]): fc.Arbitrary<Move[]> => {
  const usual = ['ask', 'ask', 'deliver', 'deliver', 'deliver', 'offer', 'kernel', 'kernel', 'lose', 'double'];
  return fc.array(fc.tuple(fc.constantFrom(...usual, 'crash', ...more), fc.nat(1000)), { maxLength: 120, size: 'max' });
};
const after = (all: readonly Move[]): World => {
  const world = new World();
  for (const move of all) world.do(move);
  return world;
};

test('whatever was lost, late, doubled, tried or forgotten: once they hear each other, both use the same key', () => {
  fc.assert(
    fc.property(moves('other', 'forget'), (all) => {
      const world = after(all);
      world.calm();
      const [a, b] = world.sides;
      assert.equal(a.pair.set, b.pair.set);
      assert.notEqual(a.pair.held?.as, 'before');
      assert.notEqual(b.pair.held?.as, 'before');
      world.offer();
      world.do(['deliver', world.wire.length - 1]);
      world.calm();
      assert.ok(a.pair.set !== undefined && a.pair.set === b.pair.set && a.pair.held === undefined);
    }),
    { numRuns: 1000 },
  );
});

test('at every moment whoever is left alone uses what the other does, or has it as its second key', () => {
  fc.assert(
    fc.property(moves(), (all) => {
      const world = new World();
      for (const move of all) {
        world.do(move);
        for (const n of [0, 1]) {
          // The kernel of the other stays as it is; this one converges, and tries.
          const [alive, other] = [world.side(n), world.side(1 - n)];
          const choices = [alive.pair, tryOther(alive.pair, alive.role)].map(({ set }) => set);
          assert.ok(choices.includes(other.kernel), JSON.stringify(world.sides));
        }
      }
    }),
    { numRuns: 1000 },
  );
});

test('nobody takes a key into use before the other one is known to hold it', () => {
  fc.assert(
    fc.property(moves(), (all) => {
      const world = new World();
      for (const move of all) {
        world.do(move);
        const [a, b] = world.sides;
        const known = (pair: Pair): Choice[] => [pair.set, ...(pair.held === undefined ? [] : [pair.held.id])];
        assert.ok(
          known(a.pair).includes(b.pair.set) || known(b.pair).includes(a.pair.set),
          JSON.stringify(world.sides),
        );
      }
    }),
    { numRuns: 1000 },
  );
});
