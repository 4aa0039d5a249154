import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { pino } from 'pino';
import { loadSettings } from '../../agent/config.ts';
import { type Agent, startAgent } from '../../agent/run.ts';
import type { State } from '../../agent/state.ts';
import { WarrenError } from '../../shared/errors.ts';
import { parseHostId } from '../../shared/names.ts';
import type { NetworkMap } from '../../shared/network-map.ts';
import type { Standing } from '../../shared/protocol.ts';
import { type FakeClock, createFakeClock } from '../support/fake-clock.ts';
import { openEnrolledState } from '../support/enrolled-state.ts';
import { FakeHost } from '../support/fake-host.ts';
import { type FakeLink, createFakeLink } from '../support/fake-link.ts';
import { until } from '../support/wait.ts';
import { hostId, hostRecord, networkMap } from '../support/mesh-map.ts';

let dir: string;
let state: State;
let host: FakeHost;
let link: FakeLink;
let clock: FakeClock;
let agent: Agent | undefined;
let publicKey: string;

const standing = (change: Partial<Standing> = {}): { kind: 'standing'; standing: Standing } => ({
  kind: 'standing',
  standing: {
    hostId: parseHostId(hostId(1)),
    state: 'active',
    isRotationDue: false,
    reportSeconds: 60,
    reflectorPort: null,
    ...change,
  },
});
/** This host and `peers` others, at `revision`. */
const mesh = (peers: number, revision = peers): NetworkMap => {
  const hosts = Array.from({ length: peers }, (_, i) => hostRecord(i + 2));
  return { ...networkMap([hostRecord(1, { publicKey }), ...hosts]), revision };
};
const start = async (): Promise<Agent> => {
  agent = await startAgent({
    // A fake host's addresses cannot be listened on, and an engine of this machine is none of its own.
    settings: loadSettings({
      env: {
        WARREN_STATE_DIR: dir,
        WARREN_RUN_DIR: dir,
        WARREN_DNS: 'off',
        WARREN_DOCKER: 'off',
        WARREN_PLUGIN_SOCKET: 'off',
      },
    }),
    system: host.system,
    link,
    clock,
    state,
    log: pino({ level: 'silent' }),
  });
  return agent;
};
const peerCount = (): number => host.wireguard.get('warren0')?.peers.size ?? 0;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'warren-run-'));
  state = await openEnrolledState(dir);
  ({ publicKey } = await state.wireguardKeys());
  host = new FakeHost();
  link = createFakeLink();
  clock = createFakeClock();
});
afterEach(async () => {
  await agent?.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('a map that comes is in the kernel, saved, and reported', async () => {
  const running = await start();
  await clock.advance(0);
  link.push(standing(), { kind: 'map', map: mesh(3, 7) });
  await running.settle();
  assert.equal(peerCount(), 3);
  await clock.advance(3000);
  assert.equal(link.reports.at(-1)?.applied?.revision, 7);
  assert.deepEqual(link.reports.at(-1)?.failures, []);
  await running.stop();
  assert.match(
    readFileSync(join(dir, 'subnet.env'), 'utf8'),
    /^FLANNEL_NETWORK=.*\nFLANNEL_SUBNET=10\.210\.1\.1\/24\n/,
  );
});

test('a cold start without a server converges on the saved map', async () => {
  await state.writeMap(mesh(4));
  link.refusal = new WarrenError('unreachable', 'no server');
  await (await start()).settle();
  assert.equal(peerCount(), 4);
});

test('a saved map that is damaged is ignored, and a full one is asked for', async () => {
  writeFileSync(join(dir, 'map.json'), '{"epoch":');
  const running = await start();
  await clock.advance(0);
  assert.deepEqual(link.connections, [undefined]);
  link.push(standing(), { kind: 'map', map: mesh(2) });
  await running.settle();
  assert.equal(peerCount(), 2);
});

test('an agent whose map cannot be saved goes on, says so with what to do, and saves once it can', async () => {
  // In the way of the rename, also for root.
  mkdirSync(join(dir, 'map.json', 'x'), { recursive: true });
  const running = await start();
  await clock.advance(0);
  link.push(standing(), { kind: 'map', map: mesh(3, 7) });
  await running.settle();
  assert.equal(peerCount(), 3);
  const faults = async (): Promise<string[]> =>
    (await running.handlers.status({})).failures.filter(({ kind }) => kind === 'map-save').map(({ why }) => why);
  await until('the failure is told', { seconds: 10 }, async () => (await faults()).length > 0);
  assert.match((await faults()).join(), /the map cannot be saved .*free space or make the state directory writable/);
  rmSync(join(dir, 'map.json'), { recursive: true });
  // No new map comes; the next look at the kernel is enough.
  await until('the map is saved', { seconds: 10 }, async () => {
    await clock.advance(30_000);
    await running.settle();
    return (await faults()).length === 0;
  });
  assert.equal((await state.readMap())?.revision, 7);
});

test('stopping and starting again runs no command that changes anything', async () => {
  const first = await start();
  await clock.advance(0);
  link.push(standing(), { kind: 'map', map: mesh(3) });
  await first.settle();
  await first.settle();
  await first.stop();
  const before = host.commands.length;
  await (await start()).settle();
  const changes = host.commands.slice(before).filter((line) => /\b(set|add|del|replace|-batch|-f)\b/.test(line));
  assert.deepEqual(changes, []);
});

test('a host that is removed loses peers and its saved map, one that is disabled gets them back', async () => {
  const running = await start();
  await clock.advance(0);
  link.push(standing(), { kind: 'map', map: mesh(3) });
  await running.settle();
  link.refusal = new WarrenError('host-disabled', 'disabled');
  link.end(link.refusal);
  await clock.advance(0);
  await running.settle();
  assert.equal(peerCount(), 0);
  assert.equal((await running.handlers.status({})).state, 'disabled');
  link.refusal = undefined;
  await clock.advance(15_000);
  link.push(standing(), { kind: 'current', epoch: mesh(3).epoch, revision: 3 });
  await running.settle();
  assert.equal(peerCount(), 3);
  link.refusal = new WarrenError('host-removed', 'removed');
  link.end(link.refusal);
  await clock.advance(0);
  await running.settle();
  assert.equal(peerCount(), 0);
  await running.stop();
  assert.equal(await state.readMap(), undefined);
});

test('a server that is merely away changes nothing', async () => {
  const running = await start();
  await clock.advance(0);
  link.push(standing(), { kind: 'map', map: mesh(3) });
  await running.settle();
  for (const code of ['unreachable', 'server-untrusted', 'certificate-invalid', 'internal'] as const) {
    link.refusal = new WarrenError(code, 'no');
    link.end(link.refusal);
    await clock.advance(60_000);
  }
  await running.settle();
  assert.equal(peerCount(), 3);
});

test('a peer that somebody removes by hand is back within 5 s', async () => {
  const running = await start();
  await clock.advance(0);
  link.push(standing(), { kind: 'map', map: mesh(3) });
  await running.settle();
  await clock.advance(1000);
  const wireguard = host.wireguard.get('warren0');
  const [key] = wireguard?.peers.keys() ?? [];
  wireguard?.peers.delete(key ?? '');
  await clock.advance(5000);
  await clock.advance(0);
  assert.equal(peerCount(), 3);
});

test('status says ready when all is applied and the young peers have answered or are old', async () => {
  const running = await start();
  await clock.advance(0);
  link.push(standing(), { kind: 'map', map: mesh(2) });
  await running.settle();
  const young = await running.handlers.status({});
  assert.equal(young.isReady, false);
  assert.match(young.waitingFor ?? '', /host-2 has not answered yet/);
  await clock.advance(16_000);
  const old = await running.handlers.status({});
  assert.equal(old.waitingFor, null);
  assert.deepEqual([old.backend.kind, old.peers.length, old.peers[0]?.path], ['kernel', 2, 'none']);
});

test('leave tells the server, takes everything away, keeps the keys', async () => {
  const running = await start();
  await clock.advance(0);
  link.push(standing(), { kind: 'map', map: mesh(2) });
  await running.settle();
  const left = await running.handlers.leave({ isPurge: false });
  assert.equal(left.isServerTold, true);
  assert.equal(await running.ended, 'left');
  assert.equal(host.main.links.has('warren0'), false);
  assert.equal((await state.wireguardKeys()).publicKey, publicKey);
  assert.equal(await state.readHost(), undefined);
});

test('a host without its saved map that learns of its removal loses peers, routes and addresses all the same', async () => {
  const first = await start();
  await clock.advance(0);
  link.push(standing(), { kind: 'map', map: mesh(3) });
  await first.settle();
  assert.equal(peerCount(), 3);
  await first.stop();
  await state.removeMap();
  link.refusal = new WarrenError('host-removed', 'removed');
  const second = await start();
  await clock.advance(0);
  await second.settle();
  assert.equal(peerCount(), 0);
  assert.deepEqual(host.main.links.get('warren0')?.addresses, []);
  assert.deepEqual(
    host.main.routes.filter((route) => route.protocol === '86'),
    [],
  );
  const status = await second.handlers.status({});
  assert.deepEqual([status.state, status.applied, status.failures], ['removed', null, []]);
});

test('a host that waits for approval makes nothing in the kernel', async () => {
  const running = await start();
  await clock.advance(0);
  const before = host.commands.length;
  link.push(standing({ state: 'pending' }));
  await running.settle();
  assert.equal(host.main.links.has('warren0'), false);
  const changes = host.commands.slice(before).filter((line) => /\b(set|add|del|replace|-batch|-f)\b/.test(line));
  assert.deepEqual(changes, []);
  link.push(standing(), { kind: 'map', map: mesh(1) });
  await running.settle();
  assert.equal(peerCount(), 1);
});
