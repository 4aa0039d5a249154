import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { pino } from 'pino';
import { loadSettings } from '../../agent/config.ts';
import { statusSchema } from '../../agent/local/api.ts';
import { listenLocally } from '../../agent/local/server.ts';
import { type Agent, startAgent } from '../../agent/run.ts';
import { WarrenError } from '../../shared/errors.ts';
import { parseHostId } from '../../shared/names.ts';
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts';
import { openEnrolledState } from '../support/enrolled-state.ts';
import { FakeHost } from '../support/fake-host.ts';
import { createFakeLink, type FakeLink } from '../support/fake-link.ts';
import { hostId, hostRecord, networkMap } from '../support/mesh-map.ts';
import { runCli } from './cli-io.ts';

/** The real command and the real socket; behind them an agent over a fake host. */
let dir: string;
let agent: Agent;
let link: FakeLink;
let clock: FakeClock;
let publicKey: string;
let local: Awaited<ReturnType<typeof listenLocally>>;

/** Sockets of this machine are nothing a fake host could serve. */
const noSockets = { WARREN_DNS: 'off', WARREN_DOCKER: 'off', WARREN_PLUGIN_SOCKET: 'off' };
const env = (): Record<string, string> => ({ WARREN_STATE_DIR: dir, WARREN_RUN_DIR: dir, ...noSockets });
const standing = {
  kind: 'standing',
  standing: {
    hostId: parseHostId(hostId(1)),
    state: 'active',
    isRotationDue: false,
    reportSeconds: 60,
    reflectorPort: null,
  },
} as const;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'warren-cli-status-'));
  const log = pino({ level: 'silent' });
  const state = await openEnrolledState(dir);
  ({ publicKey } = await state.wireguardKeys());
  link = createFakeLink();
  clock = createFakeClock();
  agent = await startAgent({
    settings: loadSettings({ env: env() }),
    system: new FakeHost().system,
    link,
    clock,
    state,
    log,
  });
  local = await listenLocally(dir, log);
  local.serve(agent.handlers);
});
afterEach(async () => {
  await agent.stop();
  await local.close();
  rmSync(dir, { recursive: true, force: true });
});

const bringMap = async (peers: number): Promise<void> => {
  const hosts = Array.from({ length: peers }, (_, i) => hostRecord(i + 2));
  await clock.advance(0);
  link.push(standing, { kind: 'map', map: networkMap([hostRecord(1, { publicKey }), ...hosts]) });
  await agent.settle();
};

test('before a map came the agent is live and not ready', async () => {
  assert.equal((await runCli(['status', '--check', 'live'], env())).exitCode, 0);
  const { exitCode, stderr } = await runCli(['status', '--check', 'ready'], env());
  assert.equal(exitCode, 1);
  assert.match(stderr, /not ready: no network map came yet/);
});

test('ready is 0, and its JSON says so', async () => {
  await bringMap(0);
  const { exitCode, stdout } = await runCli(['status', '--check', 'ready', '--json'], env());
  assert.equal(exitCode, 0);
  assert.deepEqual(JSON.parse(stdout), { check: 'ready', isOk: true, waitingFor: null });
});

test('status --json is what its schema says, and the same facts stand in the table', async () => {
  await bringMap(2);
  const { exitCode, stdout } = await runCli(['status', '--json'], env());
  assert.equal(exitCode, 0);
  const status = statusSchema.parse(JSON.parse(stdout));
  assert.deepEqual([status.name, status.state, status.peers.length], ['host-1', 'active', 2]);
  const table = await runCli(['status'], env());
  for (const text of ['host-1', 'host-3', '10.86.0.1', '1 applied of 1', 'has not answered yet']) {
    assert.ok(table.stdout.includes(text), `${text} is missing in\n${table.stdout}`);
  }
});

test('a removed host and a server that is away are told in words', async () => {
  await bringMap(1);
  link.refusal = new WarrenError('unreachable', 'cannot reach https://192.0.2.250:8443: refused');
  link.end(link.refusal);
  await clock.advance(0);
  assert.match((await runCli(['status'], env())).stdout, /cannot reach https:\/\/192\.0\.2\.250:8443/);
  link.refusal = new WarrenError('host-removed', 'removed');
  await clock.advance(60_000);
  await agent.settle();
  const { exitCode, stderr } = await runCli(['status', '--check', 'ready'], env());
  assert.equal(exitCode, 1);
  assert.match(stderr, /the server says this host is removed/);
});

test('netcheck without a server still tells everything else, and exits 1', async () => {
  await bringMap(1);
  const { exitCode, stdout, stderr } = await runCli(['netcheck'], env());
  assert.equal(exitCode, 1);
  assert.match(stdout, /^server +fail +no server/m);
  assert.match(stdout, /^server +see whether the server runs/m);
  for (const check of ['clock', 'udp', 'nat', 'ipv4', 'ipv6', 'mtu', 'relay', 'peers'])
    assert.match(stdout, new RegExp(`^${check} +(ok|warn|fail) `, 'm'));
  assert.match(stderr, /failed: server/);
});

test('ping of a host that is not there exits 3, detach of what is not attached too', async () => {
  await bringMap(1);
  assert.equal((await runCli(['ping', 'nobody'], env())).exitCode, 3);
  const { exitCode, stderr } = await runCli(['detach', 'netns:nothing'], env());
  assert.equal(exitCode, 3);
  assert.match(stderr, /warren attach ls/);
});
