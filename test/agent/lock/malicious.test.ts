/** An agent of a locked mesh, and a server that has everything but a key of the lock. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { pino } from 'pino';
import { loadSettings } from '../../../agent/config.ts';
import { type Agent, startAgent } from '../../../agent/run.ts';
import { WarrenError } from '../../../shared/errors.ts';
import { parseHostId } from '../../../shared/names.ts';
import type { HostRecord, NetworkMap } from '../../../shared/network-map.ts';
import { type MemoryState, createMemoryState } from '../../loop/memory-state.ts';
import { enrolledHost } from '../../support/enrolled-state.ts';
import { type FakeClock, createFakeClock } from '../../support/fake-clock.ts';
import { FakeHost } from '../../support/fake-host.ts';
import { type FakeLink, createFakeLink } from '../../support/fake-link.ts';
import { TestLog } from '../../support/lock-log.ts';
import { hostId, hostRecord, networkMap } from '../../support/mesh-map.ts';

let dir: string;
let state: MemoryState;
let host: FakeHost;
let link: FakeLink;
let clock: FakeClock;
let agent: Agent | undefined;
let log: TestLog;
let revision: number;
let honest: NetworkMap;

const peers = (): string[] => [...(host.wireguard.get('warren0')?.peers.keys() ?? [])].sort();
const allowedIps = (): string[] =>
  [...(host.wireguard.get('warren0')?.peers.values() ?? [])].flatMap(({ allowedIps: some }) => [...some]).sort();
const record = (n: number): HostRecord => {
  const found = honest.hosts.find(({ id }) => id === hostId(n));
  if (found === undefined) throw new RangeError(`no host ${n}`);
  return found;
};
const keyOf = (n: number): string => record(n).publicKey;

async function start(): Promise<Agent> {
  agent = await startAgent({
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
  await clock.advance(0);
  return agent;
}

/** The server tells this, and all that follows from it is done. */
async function tell(change: { hosts?: HostRecord[]; mesh?: Partial<NetworkMap['mesh']> } = {}): Promise<void> {
  revision += 1;
  const mesh = { ...honest.mesh, lock: log.head, ...change.mesh };
  link.lockPage = { lock: log.head, entries: log.entries };
  link.push({ kind: 'map', map: { ...honest, mesh, revision, hosts: change.hosts ?? honest.hosts } });
  await settle();
}

async function settle(): Promise<void> {
  for (let i = 0; i < 4; i += 1) {
    await clock.advance(100);
    await agent?.settle();
  }
}

const failures = async (): Promise<string[]> => {
  const status = await agent?.handlers.status({});
  return (status?.failures ?? []).map(({ kind, subject, why }) => `${kind} ${subject}: ${why}`);
};
const alarm = async (pattern: RegExp): Promise<void> => {
  const found = await failures();
  assert.ok(
    found.some((text) => pattern.test(text)),
    `${String(pattern)} is none of ${JSON.stringify(found)}`,
  );
};

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'warren-lock-'));
  state = createMemoryState('host-1');
  await state.writeHost(enrolledHost);
  const { publicKey } = await state.wireguardKeys();
  host = new FakeHost({ publicKeyOf: (file) => state.publicKeyOfFile(file) });
  link = createFakeLink();
  clock = createFakeClock();
  revision = 10;
  const subnets = [{ prefix: '192.168.7.0/24', weight: 10 }];
  honest = networkMap([hostRecord(1, { publicKey }), hostRecord(2, { subnets }), hostRecord(3)]);
  log = new TestLog();
  for (const one of honest.hosts) log.host(one);
  await state.writeLockRoot(log.head.root);
  await start();
  link.push({
    kind: 'standing',
    standing: {
      hostId: parseHostId(hostId(1)),
      state: 'active',
      isRotationDue: false,
      reportSeconds: 60,
      reflectorPort: null,
    },
  });
  await tell();
});
afterEach(async () => {
  await agent?.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('what is signed is in the kernel, without any alarm', async () => {
  assert.deepEqual(peers(), [keyOf(2), keyOf(3)].sort());
  assert.ok(allowedIps().includes('192.168.7.0/24'));
  assert.deepEqual(
    (await failures()).filter((text) => text.startsWith('lock-')),
    [],
  );
  const status = await agent?.handlers.status({});
  assert.deepEqual(status?.lock, { root: log.head.root, height: 4 });
});

test('a host that the server adds is no peer, and an alarm says so, also to the server', async () => {
  const before = peers();
  const intruder = networkMap([hostRecord(9, { subnets: [{ prefix: '172.30.0.0/16', weight: 1 }] })]).hosts;
  await tell({ hosts: [...honest.hosts, ...intruder] });
  assert.deepEqual(peers(), before);
  assert.ok(!allowedIps().some((prefix) => prefix.startsWith('172.30.') || prefix.startsWith('10.210.9.')));
  await alarm(/^lock-unsigned host-9: .*no key of the lock has signed this host.*warren lock sign/);
  await clock.advance(5_000);
  await clock.advance(0);
  assert.ok(link.reports.at(-1)?.failures.some(({ kind }) => kind === 'lock-unsigned'));
});

test('a key that the server swaps changes nothing: the tunnel to the signed key stays', async () => {
  const commands = host.commands.length;
  const [self, two, three] = honest.hosts as [HostRecord, HostRecord, HostRecord];
  const [stranger] = networkMap([hostRecord(8)]).hosts as [HostRecord];
  await tell({ hosts: [self, { ...two, publicKey: stranger.publicKey }, three] });
  assert.deepEqual(peers(), [keyOf(2), keyOf(3)].sort());
  assert.deepEqual(
    host.commands.slice(commands).filter((line) => /\bwg set\b/.test(line)),
    [],
  );
  await alarm(/^lock-refused host-2: .*key .* in place of/);
});

test('a subnet, an address and a lease that the server moves stay where they were signed', async () => {
  const before = allowedIps();
  const [self, two, three] = honest.hosts as [HostRecord, HostRecord, HostRecord];
  await tell({ hosts: [self, { ...two, subnets: [] }, { ...three, subnets: two.subnets, leases: two.leases }] });
  assert.ok(!allowedIps().includes('192.168.7.0/24'), 'what the server withdraws is gone, nobody else has it');
  assert.deepEqual(
    allowedIps(),
    before.filter((prefix) => prefix !== '192.168.7.0/24'),
  );
  await alarm(/^lock-refused host-3: .*leases .*subnet 192\.168\.7\.0\/24/);
});

test('a name that the server gives away still leads to the host it was signed for', async () => {
  const [self, two, three] = honest.hosts as [HostRecord, HostRecord, HostRecord];
  await tell({ hosts: [self, { ...two, name: three.name }, { ...three, name: two.name }] });
  const names = new Map(agent?.map()?.hosts.map(({ id, name }) => [id, name]));
  assert.deepEqual([names.get(two.id), names.get(three.id)], ['host-2', 'host-3']);
  await alarm(/^lock-refused host-2: .*name host-3 in place of host-2/);
});

test('hints change without a signature: endpoints, NAT, liveness, weight', async () => {
  const [self, two, three] = honest.hosts as [HostRecord, HostRecord, HostRecord];
  const [moved] = networkMap([hostRecord(3, { endpoints: ['198.51.100.3:51820'], nat: 'easy' })]).hosts as [HostRecord];
  const weighed = two.subnets.map((subnet) => ({ ...subnet, weight: 5 }));
  await tell({ hosts: [self, { ...two, subnets: weighed, isGone: true }, moved] });
  assert.equal(agent?.map()?.hosts.find(({ id }) => id === three.id)?.endpoints[0], '198.51.100.3:51820');
  assert.deepEqual(
    (await failures()).filter((text) => text.startsWith('lock-')),
    [],
  );
});

test('a log that goes back, forks, or is no more is refused and told, and what was seen stays', async () => {
  const whole = log.entries;
  const before = peers();
  log.entries = whole.slice(0, 3);
  await tell();
  await alarm(/^lock-rolled-back lock: the server's log has 3 entries, 4 were seen here/);
  log.host(record(3), 7);
  await tell();
  await alarm(/^lock-forked lock: entry 3 is another/);
  log.host({ ...record(3), addresses: record(3).addresses.slice(0, 1) }, 8);
  await tell();
  await alarm(/^lock-behind lock: .*does not follow the one before: the log is forked/);
  link.lockPage = { lock: null, entries: [] };
  revision += 1;
  link.push({ kind: 'map', map: { ...honest, revision } });
  await settle();
  await alarm(/^lock-rolled-back lock: the server says that this mesh is not locked/);
  assert.deepEqual(peers(), before);
  log.entries = whole;
  await tell();
  assert.deepEqual(
    (await failures()).filter((text) => text.startsWith('lock-')),
    [],
  );
});

test('a lock of the server’s own is none', async () => {
  const own = new TestLog();
  for (const one of honest.hosts) own.host(one);
  const [intruder] = networkMap([hostRecord(9)]).hosts as [HostRecord];
  own.host(intruder);
  const real = log;
  log = own;
  await tell({ hosts: [...honest.hosts, intruder] });
  assert.deepEqual(peers(), [keyOf(2), keyOf(3)].sort());
  await alarm(/^lock-forked lock: the server has a lock with the root/);
  log = real;
});

test('entries that the server withholds are told of, and taken once they come', async () => {
  const [four] = networkMap([hostRecord(4)]).hosts as [HostRecord];
  const short = [...log.entries];
  log.host(four);
  const { head } = log;
  revision += 1;
  link.lockPage = { lock: head, entries: short };
  const mesh = { ...honest.mesh, lock: head };
  link.push({ kind: 'map', map: { ...honest, mesh, revision, hosts: [...honest.hosts, four] } });
  await settle();
  assert.equal(peers().length, 2);
  await alarm(/^lock-behind lock: .*gives none after 4/);
  link.lockPage = { lock: head, entries: log.entries };
  await clock.advance(20_000);
  await settle();
  assert.equal(peers().length, 3);
  assert.deepEqual(
    (await failures()).filter((text) => text.startsWith('lock-')),
    [],
  );
});

test('a host whose signature was taken back does not come again, whatever the server says', async () => {
  log.add({ kind: 'host-removed', id: record(3).id, sequence: 1 });
  await tell();
  assert.deepEqual(peers(), [keyOf(2)]);
  await alarm(/^lock-unsigned host-3/);
});

test('a record is good until it expires, by this host’s own clock', async () => {
  log.host(record(3), 1, clock.now() + 60_000);
  await tell();
  assert.equal(peers().length, 2);
  await clock.advance(61_000);
  await settle();
  assert.deepEqual(peers(), [keyOf(2)]);
  await alarm(/^lock-unsigned host-3: what was signed of this host ended/);
});

test('a host that starts again without a server goes by the log it saved', async () => {
  await agent?.stop();
  const [intruder] = networkMap([hostRecord(9)]).hosts as [HostRecord];
  // What a server once told and was refused stands in the saved map as well.
  await state.writeMap({ ...honest, hosts: [...honest.hosts, intruder] });
  link.refusal = new WarrenError('unreachable', 'no server');
  await start();
  await settle();
  assert.deepEqual(peers(), [keyOf(2), keyOf(3)].sort());
  assert.deepEqual(
    agent?.map()?.hosts.map(({ name }) => name),
    ['host-1', 'host-2', 'host-3'],
  );
});

test('a damaged log lets nobody in until it came again; a damaged root lets no agent start', async () => {
  await agent?.stop();
  await state.writeLockLog('{"format":1,"entries":[{');
  await start();
  await agent?.settle();
  assert.deepEqual(agent?.map()?.hosts, []);
  link.push({ kind: 'map', map: { ...honest, mesh: { ...honest.mesh, lock: log.head }, revision: revision + 1 } });
  await settle();
  assert.equal(agent?.map()?.hosts.length, 3);
  await agent?.stop();
  await state.writeLockRoot('no hash');
  await assert.rejects(start(), { code: 'state-corrupt', message: /lock\.root/ });
  agent = undefined;
});

test('a root is pinned by command, never silently, and another one only on purpose', async () => {
  await agent?.handlers.lockunpin({});
  const [intruder] = networkMap([hostRecord(9)]).hosts as [HostRecord];
  await tell({ hosts: [...honest.hosts, intruder] });
  assert.equal(peers().length, 3);
  await alarm(/^lock-unpinned lock: .*warren lock pin/);
  await agent?.handlers.lockpin({ root: log.head.root, isReplacing: false });
  await settle();
  assert.equal(peers().length, 2);
  const other = new TestLog().head.root;
  await assert.rejects(agent?.handlers.lockpin({ root: other, isReplacing: false }) ?? Promise.resolve(), {
    code: 'conflict',
  });
  await agent?.handlers.lockpin({ root: other, isReplacing: true });
  await settle();
  assert.deepEqual(agent?.map()?.hosts, []);
});
