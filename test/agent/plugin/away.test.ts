import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { type Server, createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { pino } from 'pino';
import { type Away, standIn } from '../../../agent/plugin/away.ts';
import { type PluginBook, openPluginBook } from '../../../agent/plugin/book.ts';
import { type Place, askToYield } from '../../../agent/plugin/place.ts';
import { type PluginServer, servePlugin } from '../../../agent/plugin/server.ts';
import { closeServer, identityOf, listenAt } from '../../../agent/unix-socket.ts';
import { type FakeClock, createFakeClock } from '../../support/fake-clock.ts';
import { FakeHost } from '../../support/fake-host.ts';
import { until } from '../../support/wait.ts';
import { type Answer, ask, leases } from './support.ts';

const log = pino({ level: 'silent' });
const page = {
  format: 1,
  networks: [{ id: 'n1', segment: null }],
  endpoints: [{ id: 'e1', networkId: 'n1', addresses: ['10.210.1.2'], mac: '02:00:00:00:00:01' }],
  reserved: ['10.210.1.2', '10.210.1.3'],
};
const empty = { networks: [], endpoints: [], reserved: [] };

let dir: string;
let clock: FakeClock;
let saved: string | undefined;
let away: Away | undefined;
const ends: (() => Promise<void>)[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'warren-away-'));
  clock = createFakeClock();
  saved = JSON.stringify(page);
});
afterEach(async () => {
  await away?.stop();
  away = undefined;
  for (const end of ends.splice(0)) await end();
  rmSync(dir, { recursive: true });
});

const place = (owner = dir): Place => ({ path: join(dir, 'warren.sock'), turnPath: join(dir, 'turn'), owner });
const openBook = (): PluginBook =>
  openPluginBook(saved, (json) => {
    saved = json;
    return Promise.resolve();
  });

async function start(isEnrolled = true): Promise<void> {
  const open = () => Promise.resolve(isEnrolled ? { book: openBook(), leases } : undefined);
  const { system } = new FakeHost();
  const agentSocket = join(dir, 'agent.sock');
  away = standIn({ place: place(), name: 'warren', seed: 'default/warren-br', agentSocket, open, system, clock, log });
  await until('it answers', { seconds: 10, everyMilliseconds: 5 }, () => existsSync(place().path) || !isEnrolled);
}

async function call(method: string, body: unknown): Promise<unknown> {
  const { body: text } = await ask(place().path, method, JSON.stringify(body));
  return JSON.parse(text);
}

const taken = (): unknown => {
  const { networks, endpoints, reserved } = JSON.parse(saved ?? '') as typeof page;
  return { networks, endpoints, reserved };
};

const wish = { PoolID: leases[0], Address: '', Options: {} };
const notRunning = { Error: 'the Warren agent is not running; start it (systemctl start warren-agent) and try again' };

test('what takes away is done and written down without an agent', async () => {
  await start();
  const ids = { NetworkID: 'n1', EndpointID: 'e1' };
  assert.deepEqual(await call('NetworkDriver.RevokeExternalConnectivity', ids), {});
  assert.deepEqual(await call('NetworkDriver.Leave', ids), {});
  assert.deepEqual(await call('NetworkDriver.DeleteEndpoint', ids), {});
  for (const Address of page.reserved) {
    assert.deepEqual(await call('IpamDriver.ReleaseAddress', { PoolID: leases[0], Address }), {});
  }
  assert.deepEqual(await call('IpamDriver.ReleasePool', { PoolID: leases[0] }), {});
  assert.deepEqual(await call('NetworkDriver.DeleteNetwork', { NetworkID: 'n1' }), {});
  assert.deepEqual(taken(), empty);
});

test('an engine that starts learns all it asks for, and the addresses that were given out are given out again', async () => {
  await start();
  assert.deepEqual(await call('Plugin.Activate', {}), { Implements: ['NetworkDriver', 'IpamDriver'] });
  assert.deepEqual(await call('IpamDriver.RequestPool', { Pool: leases[0] }), {
    PoolID: leases[0],
    Pool: leases[0],
    Data: {},
  });
  const gateway = { ...wish, Options: { RequestAddressType: 'com.docker.network.gateway' } };
  assert.deepEqual(await call('IpamDriver.RequestAddress', gateway), { Address: '10.210.1.1/24', Data: {} });
  assert.deepEqual(await call('IpamDriver.RequestAddress', { ...wish, Address: '10.210.1.2' }), {
    Address: '10.210.1.2/24',
    Data: {},
  });
});

test('what needs an agent is refused at once when none has come for a while', async () => {
  await start();
  const first = call('IpamDriver.RequestAddress', wish);
  await clock.advance(10_000);
  assert.deepEqual(await first, notRunning);
  assert.deepEqual(await call('IpamDriver.RequestAddress', wish), notRunning);
  assert.deepEqual(await call('NetworkDriver.Join', { NetworkID: 'n1', EndpointID: 'e1' }), {
    Err: notRunning.Error,
  });
});

test('an agent that comes in time answers what waited for it, and finds all that was written', async () => {
  await start();
  const waiting: Promise<Answer> = ask(place().path, 'IpamDriver.RequestAddress', JSON.stringify(wish));
  await call('IpamDriver.ReleaseAddress', { PoolID: leases[0], Address: '10.210.1.3' });
  assert.equal(await askToYield(place()), true);
  assert.deepEqual((JSON.parse(saved ?? '') as typeof page).reserved, ['10.210.1.2']);
  const before = saved;
  const late = ask(place().path, 'IpamDriver.ReleaseAddress', '{"PoolID":"p","Address":"10.210.1.2"}');
  const asked: unknown[] = [];
  const answer = (value: unknown) => (body: unknown) => {
    asked.push(body);
    return Promise.resolve(value);
  };
  const methods = new Map([
    ['IpamDriver.RequestAddress', answer({ Address: '10.210.1.9/24' })],
    ['IpamDriver.ReleaseAddress', answer({})],
  ]);
  const identity = await identityOf(place().path);
  const agent: PluginServer = servePlugin({ place: place(), methods, clock, log });
  ends.push(() => agent.stop());
  await until('the agent has the socket', { seconds: 10, everyMilliseconds: 5 }, async () => {
    return (await identityOf(place().path)) !== identity;
  });
  await clock.advance(500);
  const [first, second] = await Promise.all([waiting, late]);
  assert.equal(asked.length, 2);
  assert.deepEqual(JSON.parse(first.body), { Address: '10.210.1.9/24' });
  assert.deepEqual(JSON.parse(second.body), {});
  assert.equal(saved, before, 'the agent alone writes from then on');
  await away?.ended;
});

test('it yields to its own instance only', async () => {
  await start();
  assert.equal(await askToYield(place('/var/lib/warren/other')), false);
  assert.deepEqual(await call('IpamDriver.ReleaseAddress', { PoolID: leases[0], Address: '10.210.1.3' }), {});
});

test('beside an agent that has started already it writes nothing', async () => {
  const agent: Server = createServer();
  await listenAt(agent, join(dir, 'agent.sock'));
  ends.push(() => closeServer(agent));
  await start();
  const before = saved;
  const answer = call('IpamDriver.ReleaseAddress', { PoolID: leases[0], Address: '10.210.1.3' });
  await clock.advance(10_000);
  assert.deepEqual(await answer, notRunning);
  assert.equal(saved, before);
});

test('for a machine that has left the mesh there is nothing to answer', async () => {
  await start(false);
  await away?.ended;
  assert.equal(existsSync(place().path), false);
});
