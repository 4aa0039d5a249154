/** Relays as a part of the running agent: this host as one, where the map says so, and as a client of others. */
import type { Fault } from '../failures.ts';
import { isCarried } from '../paths/path.ts';
import { type RelayClient, startRelayClient } from '../relay/client.ts';
import { createRelayKernel } from '../relay/kernel.ts';
import { ownAddressTo } from '../relay/own-address.ts';
import { type Relay, startRelay } from '../relay/relay.ts';
import type { Context } from './context.ts';
import type { Paths } from './paths.ts';

export interface Relaying {
  /** The map or this host's standing is another one: who lost his place in it is forwarded no more. */
  stand(): void;
  /** A pass has ended: the kernel may have changed. */
  look(): void;
  /** Pairs that this host forwards for; undefined while it is no relay. */
  pairCount(): number | undefined;
  faults(): readonly Fault[];
  /** What the kernel forwards stays. */
  stop(): Promise<void>;
}

/** Without probes there is no way to ask for anything. */
export function startRelaying(context: Context, { room }: Pick<Paths, 'room'>): Relaying {
  const { channel, clock, log, system, agent, settings, membership, selfId } = context;
  if (channel === undefined || room === undefined)
    return {
      stand: () => undefined,
      look: () => undefined,
      pairCount: () => undefined,
      faults: () => [],
      stop: () => Promise.resolve(),
    };
  const range = agent.relayPorts;
  const kernel = createRelayKernel({ system, log, tableName: agent.tableName, ownAddressTo });
  const relay: Relay = startRelay({
    clock,
    log,
    channel,
    kernel,
    range,
    tunnel: agent.interfaceName,
    listenPort: () => settings().listenPort,
    whereIs: (host) => {
      const best = room.best(host);
      return best === undefined || isCarried(best.kind) ? undefined : best.endpoint;
    },
  });
  const client: RelayClient = startRelayClient({ clock, channel, self: () => settings().publicKey, paths: room });
  const isMarked = (): boolean => membership.usable()?.hosts.find(({ id }) => id === selfId)?.isRelay === true;
  const hasOwnPort = (): boolean => {
    const { listenPort } = settings();
    return listenPort >= range.first && listenPort <= range.last;
  };
  const stand = (): void => {
    const hosts = membership.usable()?.hosts ?? [];
    const isMember = hosts.some(({ id }) => id === selfId);
    const others = isMember ? hosts.filter(({ id }) => id !== selfId) : [];
    relay.serve(isMarked() && !hasOwnPort() ? others.map(({ publicKey }) => publicKey) : undefined);
    client.setHosts(others);
  };
  stand();
  return {
    stand,
    look: () => {
      stand();
      relay.look();
    },
    pairCount: () => relay.pairCount(),
    faults: () => [...relay.faults(), ...(isMarked() && hasOwnPort() ? [portFault(settings().listenPort)] : [])],
    stop: async () => {
      client.stop();
      await relay.stop();
    },
  };
}

const portFault = (port: number): Fault => ({
  kind: 'relay',
  subject: `${port}/udp`,
  why: "this host's own tunnels end within WARREN_RELAY_PORTS, so it relays for nobody; set other ports there",
});
