/** What may happen to a mesh. Each is drawn from the seed, applied, and then time passes, or does not. */
import { changeHost, disableHost, enableHost, removeHost, requestRotation } from '../../server/hosts/hosts.ts';
import { type StoredHost, readHost } from '../../server/store/hosts.ts';
import type { Tx } from '../../server/store/open.ts';
import { listSubnetsOfHost } from '../../server/store/subnets.ts';
import { changeSubnet, createSubnet, removeSubnet } from '../../server/subnets/subnets.ts';
import { WarrenError } from '../../shared/errors.ts';
import { parseCidr } from '../../shared/net/cidr.ts';
import type { SimulatedHost } from './simulated-host.ts';
import { serverUrl } from './simulated-server.ts';
import type { World } from './world.ts';

type Happening = (world: World) => Promise<string>;

export async function happen(world: World): Promise<void> {
  const what = world.chance.pick(happenings);
  if (what === undefined) return;
  world.log.push(await what(world));
  world.noteRevision();
  const pause = world.chance.pick([0, 0, 20, 300, 2_000, 20_000]) ?? 0;
  if (pause > 0) await world.time.pass(pause);
  else if (world.chance.happens(0.5)) await world.time.settle();
}

/** Several machines use one token at the same moment. */
const storm: Happening = async (world) => {
  const { server } = world;
  if (server === undefined) return 'nobody can join';
  const idle = world.hosts.filter((host) => host.hostId === undefined).slice(0, 1 + world.chance.below(4));
  if (idle.length === 0) return 'everybody has joined';
  const token = await world.token(idle.length);
  await world.time.finish(Promise.all(idle.map((host) => host.join(server, token))));
  for (const host of idle) await world.time.finish(host.start());
  return `${idle.map((host) => host.name).join(', ')} join`;
};

const flap: Happening = async (world) => {
  const host = joined(world);
  host?.link?.breakStream();
  return `${host?.name ?? 'nobody'} loses its stream`;
};

const restart: Happening = async (world) => {
  const host = joined(world);
  if (host === undefined) return 'nobody restarts';
  await world.time.finish(host.stop());
  const back = world.chance.below(4);
  host.state.goBack(back);
  if (world.chance.happens(0.3)) await world.time.pass(world.chance.below(30_000));
  await world.time.finish(host.start());
  return `${host.name} restarts, its saved map ${back} changes older`;
};

const cut: Happening = async (world) => {
  const host = joined(world);
  if (host === undefined) return 'nobody is cut';
  if (world.cut.delete(host.name)) return `${host.name} is reachable again`;
  world.cut.add(host.name);
  host.link?.breakStream();
  return `${host.name} is cut off`;
};

const serverCrash: Happening = async (world) => {
  await world.crashServer();
  if (world.chance.happens(0.7)) await world.time.pass(world.chance.below(40_000));
  await world.startServer();
  return 'the server crashes and comes back';
};

const drift: Happening = async (world) => {
  const kernel = joined(world)?.kernel;
  const tunnel = kernel?.wireguard.get('warren0');
  if (kernel === undefined || tunnel === undefined) return 'nothing to break';
  const peer = world.chance.pick([...tunnel.peers.keys()]);
  const harm = world.chance.pick([
    'nft flush ruleset',
    'ip link set dev warren0 down',
    'ip link del dev warren0',
    'peer',
  ]);
  if (harm === 'peer') kernel.hand(`wg set warren0 peer ${peer ?? ''} remove`);
  else kernel.hand(harm ?? '');
  return `somebody does '${harm}'`;
};

const readdress: Happening = async (world) => {
  const host = joined(world);
  if (host === undefined) return 'nobody moves';
  const extra = `198.51.100.${(world.address += 1)}/24`;
  host.kernel.hand(`ip addr add ${extra} dev eth0`);
  return `${host.name} gets ${extra}`;
};

/** An operator does something; being refused is a fine answer, being half done is not. */
const administer =
  (name: string, act: (tx: Tx, host: StoredHost, world: World) => Promise<unknown>): Happening =>
  async (world) => {
    const hostId = joined(world)?.hostId;
    const store = world.server?.deps.store;
    if (hostId === undefined || store === undefined) return `nobody to ${name}`;
    const change = store.transact('key:test', async (tx) => act(tx, await readHost(tx.db, hostId), world));
    try {
      await world.time.finish(change);
      return `${name} ${hostId}`;
    } catch (error) {
      if (!(error instanceof WarrenError) || error.code === 'internal') throw error;
      return `${name} ${hostId}: ${error.code}`;
    }
  };

const subnet = (world: World) => parseCidr(`192.168.${world.chance.below(4)}.0/24`);

const happenings: readonly Happening[] = [
  storm,
  storm,
  flap,
  flap,
  restart,
  restart,
  cut,
  cut,
  serverCrash,
  drift,
  readdress,
  administer('disable', (tx, host) => disableHost(tx, host)),
  administer('enable', (tx, host) => enableHost(tx, host)),
  administer('enable', (tx, host) => enableHost(tx, host)),
  administer('rotate', (tx, host) => requestRotation(tx, host)),
  administer('tag', (tx, host, { chance }) => changeHost(tx, host, { tags: [`tag-${chance.below(9)}`] })),
  administer('advertise for', (tx, host, world) => {
    const weight = world.chance.below(3);
    return createSubnet(tx, { hostId: host.id, prefix: subnet(world), weight, serverUrl });
  }),
  administer('weigh subnet of', async (tx, host, { chance }) => {
    const one = chance.pick(await listSubnetsOfHost(tx.db, host.id));
    if (one !== undefined) await changeSubnet(tx, one, { weight: chance.below(5) }, serverUrl);
  }),
  administer('take subnet from', async (tx, host, { chance }) => {
    const one = chance.pick(await listSubnetsOfHost(tx.db, host.id));
    if (one !== undefined) await removeSubnet(tx, host.id, one.id);
  }),
  administer('remove', async (tx, host, { chance }) => {
    if (chance.happens(0.3)) await removeHost(tx, host, 'host.remove');
  }),
];

function joined(world: World): SimulatedHost | undefined {
  return world.chance.pick(world.hosts.filter((host) => host.hostId !== undefined));
}
