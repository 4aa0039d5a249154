import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import { makeCsr } from '../../agent/identity.ts';
import { type Renewal, startRenewal } from '../../agent/renew.ts';
import { WarrenError } from '../../shared/errors.ts';
import { type MemoryState, createMemoryState } from '../loop/memory-state.ts';
import { type FakeClock, createFakeClock } from '../support/fake-clock.ts';
import { type FakeLink, createFakeLink } from '../support/fake-link.ts';
import { type RenewingServer, createRenewingServer } from '../support/renewing-server.ts';

/** A request loads node-forge when it is made, which takes longer than a few turns of the event loop. */
const importing = (): Promise<unknown> => import('node-forge');
const hour = 3_600_000;
const day = 24 * hour;

/** In memory, so that the clock stands still until all that was begun is done. */
let state: MemoryState;
let clock: FakeClock;
let link: FakeLink;
let server: RenewingServer;
let renewal: Renewal | undefined;
let news: string[];

const start = (): Renewal => {
  renewal = startRenewal({
    link,
    clock,
    log: pino({ level: 'silent' }),
    state,
    name: 'web-1',
    onNewKey: () => Promise.resolve(void news.push('key')),
    onNewCertificate: () => void news.push('certificate'),
  });
  return renewal;
};
/** Hours until a renewal was asked for, at most `limit`. */
const hoursUntilRenewal = async (limit: number): Promise<number> => {
  const before = server.requests.length;
  let hours = 0;
  while (server.requests.length === before && hours < limit) {
    await clock.advance(hour);
    hours += 1;
  }
  return hours;
};
const savedUntil = async (): Promise<number> =>
  Date.parse(new X509Certificate((await state.readCredentials()).certificate).validTo);

const setUp = async (random = () => 0.5): Promise<void> => {
  state = createMemoryState('web-1');
  clock = createFakeClock(random, undefined, importing);
  link = createFakeLink();
  server = await createRenewingServer(clock, (await state.wireguardKeys()).publicKey);
  link.onRenew = server.renew;
  await state.writeCa(server.authority.caPem);
  await state.writeCertificate(server.issue(await makeCsr(await state.identityKey(), 'web-1')));
  news = [];
};
const tearDown = async (): Promise<void> => {
  await renewal?.stop();
  renewal = undefined;
};
beforeEach(() => setUp());
afterEach(tearDown);

test('a certificate is renewed when two thirds of its life are over or a little earlier, whatever the chance', async () => {
  await fc.assert(
    fc.asyncProperty(fc.double({ min: 0, max: 0.999_999, noNaN: true }), async (chance) => {
      await tearDown();
      await setUp(() => chance);
      start();
      const hours = await hoursUntilRenewal(200);
      // Of 168 hours: two thirds are 112, a twelfth is 14; looked at every ten minutes, by this test every hour.
      assert.ok(hours >= 97 && hours <= 113, `renewed after ${hours} h by chance ${chance}`);
    }),
    { numRuns: 8 },
  );
});

test('hosts that enrolled together do not renew together', async () => {
  const hours: number[] = [];
  for (const chance of [0, 0.25, 0.5, 0.75, 0.999]) {
    await tearDown();
    await setUp(() => chance);
    start();
    hours.push(await hoursUntilRenewal(200));
  }
  assert.equal(new Set(hours).size, hours.length, hours.join());
});

test('a renewed certificate is saved, told of, and renewed in its turn', async () => {
  const running = start();
  await clock.advance(0);
  const first = running.expiresAt();
  assert.equal(first, await savedUntil());
  await hoursUntilRenewal(200);
  await clock.advance(0);
  assert.equal(running.expiresAt(), await savedUntil());
  assert.ok((running.expiresAt() ?? 0) > (first ?? Infinity));
  assert.deepEqual(news, ['certificate']);
  const hours = await hoursUntilRenewal(200);
  assert.ok(hours >= 97, `the next one after ${hours} h`);
});

test('while the server is down renewal is tried every minute, and succeeds once it is back', async () => {
  start();
  let tries = 0;
  link.onRenew = () => {
    tries += 1;
    return Promise.reject(new WarrenError('unreachable', 'down'));
  };
  await clock.advance(5 * day);
  const before = tries;
  await clock.advance(hour);
  assert.ok(tries - before >= 55 && tries - before <= 61, `${tries - before} tries in an hour`);
  link.onRenew = server.renew;
  await clock.advance(61_000);
  assert.deepEqual([server.requests.length, news], [1, ['certificate']]);
});

test('an agent that was off until its certificate had expired renews it within seconds of its start', async () => {
  await clock.advance(20 * day);
  assert.ok((await savedUntil()) < clock.now());
  start();
  await clock.advance(6_000);
  assert.equal(server.requests.length, 1);
  assert.ok((await savedUntil()) > clock.now());
});

test('a server that refuses the certificate makes the agent renew at once, but not more than once a minute', async () => {
  const running = start();
  await clock.advance(10 * 60_000);
  for (let i = 0; i < 20; i += 1) {
    running.renewSoon();
    await clock.advance(1000);
  }
  assert.equal(server.requests.length, 1);
  await clock.advance(60_000);
  running.renewSoon();
  await clock.advance(0);
  assert.equal(server.requests.length, 2);
});

test('when the answer is lost the agent keeps what it has and asks again', async () => {
  const running = start();
  await clock.advance(0);
  const old = (await state.readCredentials()).certificate;
  let lost = 0;
  link.onRenew = async (body) => {
    await server.renew(body);
    lost += 1;
    throw new WarrenError('unreachable', 'the connection broke');
  };
  running.renewSoon();
  await clock.advance(0);
  assert.deepEqual([lost, (await state.readCredentials()).certificate], [1, old]);
  link.onRenew = server.renew;
  await clock.advance(4 * day + 18 * hour);
  assert.notEqual((await state.readCredentials()).certificate, old);
});
