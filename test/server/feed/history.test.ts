/**
 * One seed is one history of commits, attaches, disconnects and resumes with stale, foreign and future cursors. Whatever
 * happened, every stream that is open at the end holds the full map. The seed of a failed history stands in its title.
 */
import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type TestContext, test } from 'node:test';
import type { HostId } from '../../../shared/names.ts';
import type { NetworkMap } from '../../../shared/network-map.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { parseEndpoint } from '../../../shared/net/endpoint.ts';
import type { Cursor } from '../../../shared/protocol.ts';
import { type FeedSession, createFeed } from '../../../server/feed/feed.ts';
import { readMap } from '../../../server/feed/frames.ts';
import { pruneTombstones } from '../../../server/store/changes.ts';
import { findHost, recordWorkloads, updateHost } from '../../../server/store/hosts.ts';
import { listPublicationsOfPort } from '../../../server/store/publications.ts';
import { findSegment } from '../../../server/store/segments.ts';
import { updateMeshSettings } from '../../../server/store/meta.ts';
import { type Tx } from '../../../server/store/open.ts';
import { insertSubnet } from '../../../server/store/subnets.ts';
import { addHost, useStore } from '../store/support.ts';
import { type TestAgent, testAgent, until } from './support.ts';
import { type SegmentName, parseDomainName, parseLabel, parseSegmentName } from '../../../shared/workload.ts';
import { removeHost } from '../../../server/hosts/hosts.ts';
import { createPublication, removePublication } from '../../../server/workloads/publications.ts';
import { createSegment, removeSegment } from '../../../server/workloads/segments.ts';
import { workload } from '../workloads/support.ts';

const domain = parseDomainName('warren.internal');

interface Open {
  hostId: HostId;
  agent: TestAgent;
  session: FeedSession;
}

const quiet = { debug() {}, info() {}, warn() {}, error: (...about: unknown[]) => assert.fail(JSON.stringify(about)) };

for (let seed = 1; seed <= 12; seed += 1) {
  test(`after any history every open stream holds the full map (seed ${seed})`, (t) => runHistory(t, seed));
}

async function runHistory(t: TestContext, seed: number): Promise<void> {
  const { store, clock, ending } = await useStore(t);
  const feed = createFeed({ store, clock, log: quiet, windowMs: seed % 3 });
  ending(() => feed.drain());
  const chance = createChance(seed);
  const saved = new Map<HostId, NetworkMap>();
  const open = new Map<HostId, Open>();
  const hosts = new Set<HostId>();
  const running: Promise<unknown>[] = [];
  let count = 0;

  const change = (fn: (tx: Tx, id: HostId) => Promise<void>): void => {
    const id = chance.pick([...hosts]);
    if (id !== undefined) running.push(store.transact('server', (tx) => fn(tx, id)));
  };
  const steps: (() => void | Promise<void>)[] = [
    () =>
      void running.push(
        store
          .transact('server', (tx) => addHost(tx, (count += 1), chance.next(4) === 0 ? { state: 'pending' } : {}))
          .then(({ id }) => hosts.add(id)),
      ),
    () => change((tx, id) => move(tx, id, chance.next(250))),
    () =>
      change(async (tx, id) => {
        const host = await findHost(tx.db, id);
        if (host !== undefined) await removeHost(tx, host, 'host.remove');
        hosts.delete(id);
      }),
    () => change((tx, id) => setState(tx, id, 'disabled')),
    () => change((tx, id) => setState(tx, id, 'active')),
    () => change(advertise),
    () => change(async (tx) => tx.audit('token.create', null, {})),
    () =>
      change(async (tx) => {
        await updateMeshSettings(tx, { mtu: 1280 + chance.next(100), keepaliveSeconds: 25, domain });
        tx.touchMesh();
      }),
    () => change((tx, id) => runWorkloads(tx, id, chance.next(5))),
    () => change((tx, id) => runWorkloads(tx, id, chance.next(5))),
    () => change((tx, id) => turnPublication(tx, chance.next(2) === 0 ? id : null, 8000 + chance.next(3))),
    () => change((tx) => turnSegment(tx, parseSegmentName(`s${chance.next(3)}`))),
    () => change((tx) => pruneTombstones(tx, { before: 0, keep: chance.next(4) })),
    () => {
      const one = chance.pick([...open.values()]);
      if (one === undefined) return;
      one.session.close();
      open.delete(one.hostId);
      if (one.agent.map !== undefined) saved.set(one.hostId, one.agent.map);
    },
    () => attach(),
    () => attach(),
    () => attach(),
    () => nextTurn(),
    () => clock.advance(700),
  ];
  const attach = (): void => {
    const hostId = chance.pick([...hosts]);
    if (hostId === undefined) return;
    const map = chance.next(4) === 0 ? undefined : (open.get(hostId)?.agent.map ?? saved.get(hostId));
    const agent = testAgent(map);
    const { epoch, revision } = store.position();
    const odd: (Cursor | undefined)[] = [
      undefined,
      { epoch, revision: revision + 1_000_000 },
      { epoch: 'eaaaaaaaaaaaaaaaa', revision },
    ];
    const cursor = map === undefined ? chance.pick(odd) : agent.cursor();
    open.set(hostId, { hostId, agent, session: feed.attach({ hostId, cursor, sink: agent.sink }) });
  };

  for (let n = 0; n < 12; n += 1) await steps[0]?.();
  for (let n = 0; n < 250; n += 1) await chance.pick(steps)?.();
  await Promise.all(running);

  const full = await readMap(store);
  const active = new Set(full.hosts.map(({ id }) => id));
  for (const { hostId, agent } of open.values()) {
    if (!active.has(hostId)) continue;
    if (agent.isEnded) attachAgain(hostId, agent);
  }
  for (const { hostId, agent } of open.values()) {
    if (active.has(hostId)) await until(() => text(agent.map) === text(full), `host ${hostId} holds the full map`);
    else await until(() => isOut(agent), `host ${hostId} learns nothing more`);
  }

  /** A host that was disabled and enabled again lost its stream; its agent connects again. */
  function attachAgain(hostId: HostId, before: TestAgent): void {
    const agent = testAgent(before.map);
    open.set(hostId, {
      hostId,
      agent,
      session: feed.attach({ hostId, cursor: agent.cursor(), sink: agent.sink }),
    });
  }
}

/** Ended, or waiting for approval with nothing but its standing. */
const isOut = (agent: TestAgent): boolean => agent.isEnded || agent.kinds().every((kind) => kind === 'standing');

/** What a map says besides its revision: changes that nobody must know of raise only that. */
const text = (map: NetworkMap | undefined): string =>
  map === undefined ? '' : JSON.stringify([map.epoch, map.mesh, map.hosts]);

async function move(tx: Tx, id: HostId, n: number): Promise<void> {
  if ((await tx.db.selectFrom('host').select('id').where('id', '=', id).execute()).length === 0) return;
  await updateHost(tx, id, { observedEndpoints: [parseEndpoint(`192.0.2.${n + 1}:51820`)], isGone: n % 5 === 0 });
  tx.touchHost(id);
}

async function setState(tx: Tx, id: HostId, state: 'active' | 'disabled'): Promise<void> {
  const row = await tx.db.selectFrom('host').select('state').where('id', '=', id).executeTakeFirst();
  if (row === undefined || row.state === state) return;
  await updateHost(tx, id, { state });
  if (state === 'disabled') tx.forgetHost(id);
  else tx.touchHost(id);
}

async function advertise(tx: Tx, hostId: HostId): Promise<void> {
  const rows = await tx.db.selectFrom('subnet').select('id').where('host_id', '=', hostId).execute();
  const isThere = (await tx.db.selectFrom('host').select('id').where('id', '=', hostId).execute()).length > 0;
  if (!isThere || rows.length > 0) return;
  await insertSubnet(tx, { hostId, prefix: parseCidr('192.168.7.0/24'), weight: 10, state: 'approved' });
  tx.touchHost(hostId);
}

/** A host tells of what runs on it, as reports do: no new version, others are told. */
async function runWorkloads(tx: Tx, id: HostId, count: number): Promise<void> {
  const host = await findHost(tx.db, id);
  if (host === undefined) return;
  const names = Array.from({ length: count }, (_, n) => `app-${n}`);
  await recordWorkloads(
    tx,
    id,
    names.map((name) => workload(name, [], { isHealthy: (tx.now / 700 + count) % 2 === 0, segment: 's1' })),
  );
  if (host.state === 'active') tx.touchHost(id);
}

/** Publishes, or takes back what is there. */
async function turnPublication(tx: Tx, hostId: HostId | null, port: number): Promise<void> {
  if (hostId !== null && (await findHost(tx.db, hostId)) === undefined) return;
  const present = await listPublicationsOfPort(tx.db, { port, protocol: 'tcp' });
  if (present.length > 0) for (const { id } of present) await removePublication(tx, id);
  else {
    const spec = { service: parseLabel('app-0'), targetPort: 80, port, protocol: 'tcp', hostId } as const;
    await createPublication(tx, spec, 'https://192.0.2.1:8443');
  }
}

async function turnSegment(tx: Tx, name: SegmentName): Promise<void> {
  if ((await findSegment(tx.db, name)) === undefined) await createSegment(tx, { name, kind: 'bridged' });
  else await removeSegment(tx, name);
}

/** mulberry32 (Tommy Ettinger, public domain). */
function createChance(seed: number) {
  let state = seed;
  const next = (below: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
  const pick = <Item>(items: readonly Item[]): Item | undefined => items[next(Math.max(1, items.length))];
  return { next, pick };
}
