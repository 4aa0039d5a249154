import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { makeCsr } from '../../agent/identity.ts';
import { startRenewal } from '../../agent/renew.ts';
import type { State } from '../../agent/state.ts';
import type { HostRecord } from '../../shared/network-map.ts';
import { createMemoryState } from '../loop/memory-state.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { createFakeLink } from '../support/fake-link.ts';
import { hostRecord, networkMap } from '../support/mesh-map.ts';
import { type RenewingServer, createRenewingServer } from '../support/renewing-server.ts';

const minute = 60_000;

interface Machine {
  readonly state: State;
  readonly server: RenewingServer;
  readonly clock: ReturnType<typeof createFakeClock>;
}

async function createMachine(): Promise<Machine> {
  const state = createMemoryState('web-1');
  const clock = createFakeClock(
    () => 0.5,
    undefined,
    () => import('node-forge'),
  );
  const server = await createRenewingServer(clock, (await state.wireguardKeys()).publicKey);
  await state.writeCa(server.authority.caPem);
  await state.writeCertificate(server.issue(await makeCsr(await state.identityKey(), 'web-1')));
  return { state, server, clock };
}

/** A life of the agent: from its start until `mayGoOn` says no, where it stops dead in the middle of what it does. */
function live({ state, server, clock }: Machine, mayGoOn: () => boolean = () => true) {
  const link = createFakeLink();
  const keys: string[] = [];
  const dead = new Promise<never>(() => undefined);
  const mortal = <A extends unknown[], T>(act: (...args: A) => Promise<T>) => {
    return async (...args: A): Promise<T> => {
      if (!mayGoOn()) return dead;
      const done = await act(...args);
      return mayGoOn() ? done : dead;
    };
  };
  link.onRenew = mortal(server.renew);
  const renewal = startRenewal({
    link,
    clock,
    log: pino({ level: 'silent' }),
    name: 'web-1',
    state: {
      ...state,
      makeNextWireguardKeys: mortal(() => state.makeNextWireguardKeys()),
      writeCertificate: mortal((pem) => state.writeCertificate(pem)),
      promoteWireguardKeys: mortal(() => state.promoteWireguardKeys()),
    },
    onNewKey: mortal(async () => void keys.push((await state.wireguardKeys()).publicKey)),
    onNewCertificate: () => undefined,
  });
  return { renewal, keys, link };
}

const keysOnDisk = async (state: State): Promise<(string | undefined)[]> => [
  (await state.wireguardKeys()).publicKey,
  (await state.nextWireguardKeys())?.publicKey,
];

test('a rotation replaces the key once, however often the server asks for it meanwhile', async () => {
  const machine = await createMachine();
  const { state, server, clock } = machine;
  const [old] = await keysOnDisk(state);
  const { renewal, keys } = live(machine);
  await clock.advance(10 * minute);
  for (let i = 0; i < 5; i += 1) renewal.rotate();
  await clock.advance(0);
  assert.notEqual(server.publicKey, old);
  assert.deepEqual(await keysOnDisk(state), [server.publicKey, undefined]);
  assert.deepEqual([server.requests.length, keys], [1, [server.publicKey]]);
  renewal.rotate();
  await clock.advance(0);
  assert.equal(server.requests.length, 2, 'a later rotation is another one');
  await renewal.stop();
});

test('killed at any point of a rotation, the host always has the key that the server knows, and ends with it alone', async () => {
  let kills = 0;
  for (let points = 0, wasKilled = true; wasKilled; points += 1) {
    const machine = await createMachine();
    const { state, server, clock } = machine;
    const [old] = await keysOnDisk(state);
    let left = points;
    wasKilled = false;
    const first = live(machine, () => {
      wasKilled = wasKilled || (left -= 1) < 0;
      return !wasKilled;
    });
    await clock.advance(10 * minute);
    first.renewal.rotate();
    await clock.advance(0);
    const held = await keysOnDisk(state);
    assert.ok(held.includes(server.publicKey), `killed at point ${points} the host lost its key`);
    if (wasKilled) kills += 1;
    const second = live(machine);
    // The server asks again, unless it has the new key already.
    if (server.publicKey === old) second.renewal.rotate();
    await clock.advance(10_000);
    assert.notEqual(server.publicKey, old, `point ${points}`);
    assert.deepEqual(await keysOnDisk(state), [server.publicKey, undefined], `point ${points}`);
    await second.renewal.stop();
  }
  // Before and after each of: making the key, asking, writing the certificate, swapping, telling.
  assert.equal(kills, 10);
});

test('a rotation that the server does not answer is finished when it does', async () => {
  const machine = await createMachine();
  const { state, server, clock } = machine;
  const { renewal, link } = live(machine);
  link.onRenew = undefined;
  await clock.advance(10 * minute);
  renewal.rotate();
  await clock.advance(30 * minute);
  const [old, next] = await keysOnDisk(state);
  assert.equal(server.publicKey, old);
  link.onRenew = server.renew;
  await clock.advance(minute + 1000);
  assert.deepEqual([server.publicKey, ...(await keysOnDisk(state))], [next, next, undefined]);
  await renewal.stop();
});

test('a map that names the next key finishes a rotation whose answer was lost, one that names another does not', async () => {
  const machine = await createMachine();
  const { state, clock } = machine;
  const { renewal, keys } = live(machine);
  await clock.advance(0);
  const next = await state.makeNextWireguardKeys();
  const [old] = await keysOnDisk(state);
  const selfOf = (publicKey?: string): HostRecord => {
    const [self] = networkMap([hostRecord(1, publicKey === undefined ? {} : { publicKey })]).hosts;
    assert.ok(self !== undefined);
    return self;
  };
  renewal.noticeSelf(selfOf());
  await clock.advance(0);
  assert.deepEqual(await keysOnDisk(state), [old, next.publicKey]);
  renewal.noticeSelf(selfOf(next.publicKey));
  await clock.advance(0);
  assert.deepEqual(await keysOnDisk(state), [next.publicKey, undefined]);
  assert.deepEqual(keys, [next.publicKey]);
  await renewal.stop();
});
