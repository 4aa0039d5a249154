import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { makeWireguardKeys } from '../../../agent/keys.ts';
import type { Path } from '../../../agent/paths/path.ts';
import type { Channel, Message } from '../../../agent/probe/channel.ts';
import type { Forward } from '../../../agent/relay/book.ts';
import { type RelayClient, startRelayClient } from '../../../agent/relay/client.ts';
import type { RelayKernel } from '../../../agent/relay/kernel.ts';
import { type Relay, startRelay } from '../../../agent/relay/relay.ts';
import { senderOf } from '../../../agent/probe/wire.ts';
import { decodeBody, encodeBody, noChallenge, relayKinds } from '../../../agent/relay/wire.ts';
import { hostRecordSchema, type HostRecord } from '../../../shared/network-map.ts';
import { type Endpoint, parseEndpoint } from '../../../shared/net/endpoint.ts';
import type { PublicKey } from '../../../shared/wireguard.ts';
import { type FakeClock, createFakeClock } from '../../support/fake-clock.ts';

/** Relay and clients as the agent runs them, in one process: packets go by a map of endpoints, the kernel is a list. */
const log = pino({ level: 'silent' });
const record = (number: number, changes: Partial<HostRecord> = {}): HostRecord =>
  hostRecordSchema.parse({
    id: `h${'abcdefgh'[number]}`.padEnd(17, 'a'),
    name: `host-${number}`,
    publicKey: makeWireguardKeys().publicKey,
    addresses: [`10.86.0.${number + 1}`],
    leases: [],
    subnets: [],
    endpoints: [`192.0.2.${number + 1}:51820`],
    isGone: false,
    workloads: [],
    ...changes,
  });

interface World {
  readonly clock: FakeClock;
  readonly network: Map<Endpoint, (message: Message & { kind: number }) => void>;
  channel(host: HostRecord): Channel;
}

function makeWorld(): World {
  const clock = createFakeClock();
  const network: World['network'] = new Map();
  return {
    clock,
    network,
    channel: (host) => {
      const [own] = host.endpoints as [Endpoint];
      const handlers = new Map<number, (message: Message) => void>();
      network.set(own, ({ kind, ...message }) => handlers.get(kind)?.(message));
      return {
        port: () => 40_000,
        know: () => undefined,
        sendRaw: () => undefined,
        onStray: () => undefined,
        on: (kind, handler) => void handlers.set(kind, handler),
        close: () => undefined,
        send: (to, _peer, { kind, transaction, body }) => {
          // What the kernel's rules do: a relay's port leads to its socket, and its answers leave from there.
          const isFromPort = kind === relayKinds.challenge || kind === relayKinds.ready;
          const port = decodeBody(body)?.port ?? 0;
          const from = isFromPort ? parseEndpoint(own.replace(/:\d+$/, `:${port}`)) : own;
          const at = network.get(to) ?? network.get(parseEndpoint(to.replace(/:\d+$/, ':51820')));
          clock.after(5, () => at?.({ kind, peer: host.publicKey, from, transaction, body }));
        },
      };
    },
  };
}

interface FakeKernel extends RelayKernel {
  held: readonly Forward[];
  isCleared: boolean;
}

function makeKernel(): FakeKernel {
  const kernel: FakeKernel = {
    held: [],
    isCleared: false,
    look: () => Promise.resolve({ forwards: kernel.held, packets: new Map() }),
    place: (_wish, forwards) => {
      kernel.held = forwards;
      kernel.isCleared = false;
      return Promise.resolve(forwards);
    },
    clear: () => {
      kernel.held = [];
      kernel.isCleared = true;
      return Promise.resolve();
    },
    fault: () => undefined,
  };
  return kernel;
}

const way = (endpoint: Endpoint): Path => ({
  endpoint,
  kind: 'direct',
  isHeard: false,
  isTrusted: true,
  asks: 1,
  askedAt: 0,
  question: undefined,
  misses: 0,
  provenAt: 0,
  provenSince: 0,
  rttMs: 5,
});

function client(world: World, host: HostRecord, reached: readonly HostRecord[]) {
  const offers = new Map<PublicKey, Map<string, Endpoint>>();
  const started: RelayClient = startRelayClient({
    clock: world.clock,
    channel: world.channel(host),
    self: () => host.publicKey,
    paths: {
      best: (peer) => {
        const direct = reached.find(({ publicKey }) => publicKey === peer)?.endpoints[0];
        return direct === undefined ? undefined : way(direct);
      },
      path: (peer, endpoint) =>
        [...(offers.get(peer)?.values() ?? [])].includes(endpoint) ? { ...way(endpoint), kind: 'relay' } : undefined,
      setCarried: (peer, { via }, endpoint) => {
        const ofPeer = offers.get(peer) ?? new Map<string, Endpoint>();
        offers.set(peer, ofPeer);
        if (endpoint === undefined) ofPeer.delete(via);
        else ofPeer.set(via, endpoint);
      },
    },
  });
  return { client: started, offers };
}

function serve(world: World, host: HostRecord, kernel: RelayKernel, hosts: readonly HostRecord[]): Relay {
  const relay = startRelay({
    clock: world.clock,
    log,
    channel: world.channel(host),
    kernel,
    range: { first: 51_900, last: 51_999 },
    tunnel: 'warren0',
    listenPort: () => 51_820,
    whereIs: (peer) => hosts.find(({ publicKey }) => publicKey === peer)?.endpoints[0],
  });
  relay.serve(hosts.map(({ publicKey }) => publicKey));
  return relay;
}

/** One relay and two hosts that reach only it. */
function stage() {
  const world = makeWorld();
  const [relay, a, b] = [record(0, { isRelay: true }), record(1), record(2)] as const;
  const kernel = makeKernel();
  const server = serve(world, relay, kernel, [a, b]);
  const [one, two] = [client(world, a, [relay]), client(world, b, [relay])];
  one.client.setHosts([relay, b]);
  two.client.setHosts([relay, a]);
  const stop = async (): Promise<void> => {
    one.client.stop();
    two.client.stop();
    await server.stop();
  };
  return { world, relay, a, b, kernel, server, one, two, stop };
}

test('two hosts that reach only the relay are offered a way through it, each its own port', async () => {
  const { world, relay, a, b, kernel, one, two, stop } = stage();
  await world.clock.advance(3_000);
  assert.equal(kernel.held.length, 2);
  const ports = [one.offers.get(b.publicKey)?.get(relay.name), two.offers.get(a.publicKey)?.get(relay.name)];
  assert.deepEqual(
    ports.map((endpoint) => endpoint?.replace(/:\d+$/, '')),
    ['192.0.2.1', '192.0.2.1'],
  );
  assert.deepEqual(new Set(ports.map((endpoint) => endpoint?.replace(/^.*:/, ''))), new Set(['51900', '51901']));
  await stop();
});

test('who loses his place in the map is out of the kernel with the next round, and the others stay', async () => {
  const { world, a, kernel, server, stop } = stage();
  await world.clock.advance(3_000);
  server.serve([a.publicKey]);
  await world.clock.advance(0);
  assert.deepEqual(kernel.held, []);
  await stop();
});

test('a host that is no relay any more clears its tables, and offers nothing', async () => {
  const { world, relay, b, kernel, server, one, stop } = stage();
  await world.clock.advance(3_000);
  server.serve(undefined);
  one.client.setHosts([{ ...relay, isRelay: false }, b]);
  await world.clock.advance(3_000);
  assert.equal(kernel.isCleared, true);
  assert.equal(one.offers.get(b.publicKey)?.size, 0);
  await stop();
});

test('the next agent of a relay takes over what the kernel holds, and answers renewals', async () => {
  const { world, relay, a, b, kernel, server, one, stop } = stage();
  await world.clock.advance(3_000);
  const { held } = kernel;
  await server.stop();
  const next = serve(world, relay, kernel, [a, b]);
  await world.clock.advance(60_000);
  assert.deepEqual(kernel.held, held);
  assert.equal(one.offers.get(b.publicKey)?.size, 1);
  await next.stop();
  await stop();
});

test('what lost all its elements while no agent ran is claimed again within seconds', async () => {
  const { world, relay, a, b, kernel, server, stop } = stage();
  await world.clock.advance(3_000);
  await server.stop();
  kernel.held = [];
  const next = serve(world, relay, kernel, [a, b]);
  await world.clock.advance(20_000);
  assert.equal(kernel.held.length, 2);
  await next.stop();
  await stop();
});

test('a host that meets its peer directly asks no relay', async () => {
  const world = makeWorld();
  const [relay, a, b] = [record(0, { isRelay: true }), record(1), record(2)] as const;
  const kernel = makeKernel();
  const server = serve(world, relay, kernel, [a, b]);
  const one = client(world, a, [relay, b]);
  one.client.setHosts([relay, b]);
  await world.clock.advance(10_000);
  assert.deepEqual([kernel.held.length, one.offers.size], [0, 0]);
  one.client.stop();
  await server.stop();
});

test('invitations that keep coming are answered, and do not put off what is due', async () => {
  const world = makeWorld();
  const [relay, a, b] = [record(0, { isRelay: true }), record(1), record(2)] as const;
  const [at, own] = [relay.endpoints[0], b.endpoints[0]] as [Endpoint, Endpoint];
  let claims = 0;
  world.network.set(at, ({ kind }) => (claims += kind === relayKinds.claim ? 1 : 0));
  const { client: two } = client(world, b, [relay]);
  two.setHosts([relay, a]);
  const invite = { port: 51_900, standing: 0, partner: senderOf(a.publicKey), challenge: noChallenge };
  for (let i = 0; i < 10; i += 1) {
    const message = { kind: relayKinds.invite, peer: relay.publicKey, from: at, transaction: Buffer.alloc(8) };
    world.network.get(own)?.({ ...message, body: encodeBody(invite) });
    await world.clock.advance(100);
  }
  assert.ok(claims > 0);
  two.stop();
});
