import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import { makeWireguardKeys } from '../../../agent/keys.ts';
import { type Channel, openChannel } from '../../../agent/probe/channel.ts';
import { createPairKeys } from '../../../agent/probe/pair-key.ts';
import type { ObservedWireguard } from '../../../agent/plan/observed.ts';
import type { PskBook } from '../../../agent/psk/book.ts';
import { type Pair, noPair } from '../../../agent/psk/pair.ts';
import { type PskRoom, startPskRoom } from '../../../agent/psk/room.ts';
import type { Choice } from '../../../agent/psk/pair.ts';
import { presharedKeyId } from '../../../agent/system/preshared-key.ts';
import type { Secret } from '../../../shared/secret.ts';
import { parseEndpoint } from '../../../shared/net/endpoint.ts';
import type { PublicKey } from '../../../shared/wireguard.ts';
import { type FakeClock, createFakeClock } from '../../support/fake-clock.ts';

/** What becomes of a message: each entry arrives, so many milliseconds later. */
type Network = (bytes: Buffer) => readonly { readonly bytes: Buffer; readonly afterMs: number }[];
const clean: Network = (bytes) => [{ bytes, afterMs: 10 }];

interface Side {
  readonly publicKey: PublicKey;
  readonly keys: Set<string>;
  pair(): Pair;
  kernel: Choice;
  start(): void;
  room(): PskRoom;
  receive(bytes: Buffer): void;
}

const endpoint = parseEndpoint('192.0.2.9:51820');

function memoryBook(self: PublicKey, secrets: Secret[]): PskBook {
  const pairs = new Map<PublicKey, { pair: Pair; takenAt: number }>();
  const keys = new Map<string, Secret>();
  return {
    self: () => self,
    pair: (peer) => pairs.get(peer)?.pair ?? noPair,
    peers: () => pairs.keys(),
    takenAt: (peer) => pairs.get(peer)?.takenAt ?? 0,
    key: (id) => keys.get(id),
    wishes: () => new Map(),
    put: (peer, pair, now, key) => {
      if (key !== undefined) {
        keys.set(presharedKeyId(key.reveal()), key);
        secrets.push(key);
      }
      const before = pairs.get(peer);
      pairs.set(peer, { pair, takenAt: before?.pair.set === pair.set ? (before?.takenAt ?? now) : now });
      return Promise.resolve();
    },
    begin: () => Promise.resolve(),
  };
}

/** Two rooms, their channels with real signatures, and a network in between that a test may change. */
class Couple {
  readonly clock: FakeClock = createFakeClock();
  readonly sent: { readonly to: Side; readonly bytes: Buffer }[] = [];
  network: Network = clean;
  renewMs = 24 * 3600_000;
  wireguard: ObservedWireguard | undefined;
  logged = '';
  readonly secrets: Secret[] = [];
  sides!: readonly [Side, Side];

  static async open(): Promise<Couple> {
    const couple = new Couple();
    const made = [makeWireguardKeys(), makeWireguardKeys()].sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1));
    const [a, b] = made;
    assert.ok(a !== undefined && b !== undefined);
    const one = await couple.#side(a, b.publicKey, () => couple.sides[1]);
    const two = await couple.#side(b, a.publicKey, () => couple.sides[0]);
    couple.sides = [one, two];
    one.start();
    two.start();
    return couple;
  }

  async #side(own: ReturnType<typeof makeWireguardKeys>, peer: PublicKey, other: () => Side): Promise<Side> {
    const { publicKey, privateKey } = own;
    let receive: (bytes: Buffer) => void = () => undefined;
    const channel: Channel = await openChannel({
      keys: () => ({ publicKey, pairKey: createPairKeys(privateKey) }),
      open: (onReceived) => {
        receive = (bytes) => onReceived(bytes, endpoint);
        const send = (bytes: Buffer): void => this.#carry(other(), bytes);
        return Promise.resolve({ port: 1, send, close: () => undefined });
      },
    });
    channel.know([peer]);
    const book = memoryBook(publicKey, this.secrets);
    const log = pino({ level: 'trace' }, { write: (line: string) => void (this.logged += line) });
    let room: PskRoom | undefined;
    const pass = (): void => {
      side.kernel = book.pair(peer).set;
      if (side.kernel !== undefined) side.keys.add(side.kernel);
      room?.setPeers(new Map([[peer, { kernel: side.kernel }]]));
    };
    const side: Side = {
      publicKey,
      keys: new Set(),
      kernel: undefined,
      pair: () => book.pair(peer),
      receive: (bytes) => receive(bytes),
      room: () => room ?? assert.fail('not started'),
      start: () => {
        room?.stop();
        room = startPskRoom({
          channel,
          clock: this.clock,
          log,
          book,
          self: () => publicKey,
          mixKey: createPairKeys(privateKey, 'warren mix 1'),
          endpoint: () => endpoint,
          wireguard: () => this.wireguard,
          renewMs: this.renewMs,
          onChange: () => void this.clock.after(50, pass),
        });
        pass();
        room.noteAgent(peer, true);
      },
    };
    return side;
  }

  #carry(to: Side, bytes: Buffer): void {
    this.sent.push({ to, bytes });
    for (const one of this.network(bytes)) this.clock.after(one.afterMs, () => to.receive(one.bytes));
  }

  agreed(): string | undefined {
    const [one, two] = this.sides;
    return one.kernel !== undefined && one.kernel === two.kernel ? one.kernel : undefined;
  }
}

test('a pair agrees on a key within seconds; neither the wire nor a log shows it', async () => {
  const couple = await Couple.open();
  await couple.clock.advance(5_000);
  assert.ok(couple.agreed() !== undefined);
  assert.deepEqual(
    couple.sides.map((side) => side.pair().held),
    [undefined, undefined],
  );
  assert.ok(Math.max(...couple.sent.map(({ bytes }) => bytes.length)) <= 1280 - 48, 'fits into IPv6 of 1280');
  assert.match(couple.logged, /preshared key/);
  assert.equal(new Set(couple.secrets.map((key) => key.reveal())).size, 1);
  for (const key of couple.secrets) {
    assert.ok(!couple.logged.includes(key.reveal()));
    const raw = Buffer.from(key.reveal(), 'base64');
    for (const { bytes } of couple.sent) assert.ok(!bytes.includes(raw) && !bytes.includes(key.reveal()));
  }
});

test('the first key waits for the first handshake, which a change would spoil', async () => {
  const couple = await Couple.open();
  couple.wireguard = { publicKey: undefined, listenPort: 1, peers: new Map() };
  await couple.clock.advance(5_000);
  assert.equal(couple.agreed(), undefined);
  const met = { endpoint, hasEndpoint: true, presharedKeyId: undefined, allowedIps: [], handshakeAt: 1 };
  const counters = { rxBytes: 0, txBytes: 0, keepaliveSeconds: 0 };
  const peers = new Map(couple.sides.map(({ publicKey }) => [publicKey, { publicKey, ...met, ...counters }]));
  couple.wireguard = { publicKey: undefined, listenPort: 1, peers };
  await couple.clock.advance(20_000);
  assert.ok(couple.agreed() !== undefined);
});

test('each renewal gives another key, and both have used all of them', async () => {
  const couple = await Couple.open();
  couple.renewMs = 2_000;
  for (const side of couple.sides) side.start();
  await couple.clock.advance(20_000);
  const [one, two] = couple.sides;
  assert.ok(one.keys.size > 5, String(one.keys.size));
  const common = [...one.keys].filter((key) => two.keys.has(key));
  assert.ok(common.length >= one.keys.size - 1);
});

test('a message with any byte changed says nothing: nobody has a key, and nobody loses one', async () => {
  await fc.assert(
    fc.asyncProperty(fc.infiniteStream(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 }))), async (noise) => {
      const tamper: Network = (bytes) => {
        const [where, flip] = noise.next().value as [number, number];
        const changed = Buffer.from(bytes);
        changed.writeUInt8(changed.readUInt8(where % changed.length) ^ flip, where % changed.length);
        return [{ bytes: changed, afterMs: 10 }];
      };
      const couple = await Couple.open();
      couple.network = tamper;
      await couple.clock.advance(30_000);
      for (const side of couple.sides) assert.deepEqual(side.pair(), noPair);
      couple.network = clean;
      await couple.clock.advance(30_000);
      const key = couple.agreed();
      assert.ok(key !== undefined);
      couple.network = tamper;
      couple.renewMs = 1_000;
      for (const side of couple.sides) side.start();
      await couple.clock.advance(30_000);
      assert.equal(couple.agreed(), key);
    }),
    { numRuns: 1 },
  );
});

test('everything that was ever said, said again: nothing changes', async () => {
  const couple = await Couple.open();
  couple.renewMs = 2_000;
  for (const side of couple.sides) side.start();
  await couple.clock.advance(10_000);
  couple.renewMs = 24 * 3600_000;
  for (const side of couple.sides) side.start();
  await couple.clock.advance(10_000);
  const before = couple.sides.map((side) => side.pair());
  assert.ok(couple.agreed() !== undefined);
  for (const { to, bytes } of couple.sent.slice()) to.receive(bytes);
  await couple.clock.advance(1_000);
  assert.deepEqual(
    couple.sides.map((side) => side.pair()),
    before,
  );
});

test('over loss, delay, doubles and agents that die at any moment, a pair ends with one key', async () => {
  const fate = fc.array(fc.integer({ min: 1, max: 4_000 }), { maxLength: 2 });
  const deaths = fc.array(fc.tuple(fc.nat(1), fc.integer({ min: 20, max: 4_000 })), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(fc.infiniteStream(fate), deaths, async (fates, dying) => {
      const couple = await Couple.open();
      couple.renewMs = 3_000;
      couple.network = (bytes) => {
        const late = fates.next().value as number[];
        return late.map((afterMs) => ({ bytes, afterMs }));
      };
      for (const [who, afterMs] of dying) {
        await couple.clock.advance(afterMs);
        couple.sides[who === 0 ? 0 : 1].start();
      }
      couple.network = clean;
      couple.renewMs = 24 * 3600_000;
      for (const side of couple.sides) side.start();
      await couple.clock.advance(60_000);
      assert.ok(couple.agreed() !== undefined, JSON.stringify(couple.sides.map((side) => side.pair())));
    }),
    { numRuns: 3 },
  );
});

test("a peer whose agent knows of no keys loses this host's for it, and gets one when it knows again", async () => {
  const couple = await Couple.open();
  await couple.clock.advance(5_000);
  const key = couple.agreed();
  const [one, two] = couple.sides;
  couple.network = () => [];
  one.room().noteAgent(two.publicKey, false);
  await couple.clock.advance(1_000);
  assert.deepEqual([one.kernel, one.pair()], [undefined, noPair]);
  couple.network = clean;
  one.room().noteAgent(two.publicKey, true);
  await couple.clock.advance(30_000);
  assert.ok(couple.agreed() !== undefined && couple.agreed() !== key);
});
