import assert from 'node:assert/strict';
import { test } from 'node:test';
import { owners } from '../../shared/owners.ts';
import { findHost } from '../../server/store/hosts.ts';
import { happen } from './happenings.ts';
import type { SimulatedHost } from './simulated-host.ts';
import { World } from './world.ts';

/**
 * One seed is one history. Another one: WARREN_SEED=123 npm run test:loop; more of them: WARREN_SEEDS=200. A failure
 * names its seed and what happened.
 */
const first = Number(process.env['WARREN_SEED'] ?? 1);
const count = process.env['WARREN_SEED'] === undefined ? Number(process.env['WARREN_SEEDS'] ?? 30) : 1;

for (let seed = first; seed < first + count; seed += 1) {
  test(`history ${seed}: whatever happens, every agent ends with the full map, and its kernel with what the map says`, async () => {
    const world = await World.create({ seed, hosts: 9 });
    try {
      for (let step = 0; step < 50; step += 1) await happen(world);
      await calmDown(world);
      for (const host of world.hosts) if (host.hostId !== undefined) await checkHost(world, host);
      await checkAddresses(world);
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}\n${world.log.join('\n')}`, { cause: error });
    } finally {
      await world.end();
    }
  });
}

/** Everybody is back and reachable, and time enough passes for every retry, report and verdict. */
async function calmDown(world: World): Promise<void> {
  world.cut.clear();
  await world.startServer();
  for (const host of world.hosts) await world.time.finish(host.start());
  await world.time.pass(180_000);
}

async function checkHost(world: World, { hostId, agent, kernel, name }: SimulatedHost): Promise<void> {
  const store = world.server?.deps.store;
  assert.ok(hostId !== undefined && agent !== undefined && store !== undefined);
  const state = (await world.time.finish(findHost(store.db, hostId)))?.state ?? 'removed';
  const peers = kernel.wireguard.get('warren0')?.peers ?? new Map<string, { allowedIps: string[] }>();
  if (state !== 'active') {
    assert.equal(peers.size, 0, `${name} is ${state} and still has peers`);
    return;
  }
  const map = await world.fullMap();
  const own = agent.map();
  assert.ok(own !== undefined && own.revision <= map.revision, `${name} has no map, or one from the future`);
  // Revisions that changed nothing a host must know of (a tag, a token) are not told to hosts.
  assert.deepEqual(own, { ...map, revision: own.revision }, `${name} has another map`);
  const { applied, failures } = agent.reached();
  assert.deepEqual(failures, [], `${name} failed at something`);
  assert.deepEqual(applied, { epoch: own.epoch, revision: own.revision }, `${name} has not applied what it has`);
  const carriers = owners(map.hosts);
  for (const host of map.hosts) {
    if (host.id === hostId) continue;
    const carried = host.subnets.map(({ prefix }) => prefix).filter((prefix) => carriers.get(prefix) === host.id);
    const ownSubnets: ReadonlySet<string> = new Set(
      map.hosts.find(({ id }) => id === hostId)?.subnets.map(({ prefix }) => prefix),
    );
    const wanted: string[] = [
      ...host.addresses.map((address) => `${address}/${address.includes(':') ? 128 : 32}`),
      ...host.leases,
      ...carried.filter((prefix) => !ownSubnets.has(prefix)),
    ];
    assert.deepEqual(peers.get(host.publicKey)?.allowedIps.sort(), wanted.sort(), `${name} sees ${host.name} wrongly`);
  }
  assert.equal(peers.size, map.hosts.length - 1, `${name} has peers that are no hosts`);
}

/** No address, lease or name is held twice. */
async function checkAddresses(world: World): Promise<void> {
  const { hosts } = await world.fullMap();
  for (const all of [
    hosts.flatMap((host) => host.addresses),
    hosts.flatMap((host) => host.leases),
    hosts.map((host) => host.name),
    hosts.map((host) => host.publicKey),
  ]) {
    assert.equal(new Set<string>(all).size, all.length);
  }
}
