/** The way to each peer, as a part of the running agent; without probes it knows of none. */
import type { LocalFacts } from '../plan/local.ts';
import { localEndpoints } from '../endpoints.ts';
import type { Outside } from '../paths/mapped.ts';
import type { OwnGround } from '../paths/why.ts';
import { type PathRoom, startPathRoom } from '../paths/room.ts';
import type { Verdict } from '../paths/liveness.ts';
import { standIns, startWatch } from './watch.ts';
import type { Reached, Reconciler } from '../reconcile.ts';
import type { NetworkMap } from '../../shared/network-map.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import { type Path, isCarried } from '../paths/path.ts';
import { type Endpoint, makeEndpoint } from '../../shared/net/endpoint.ts';
import type { Context } from './context.ts';

/** The reflector is asked every 25 s. */
const answeredMs = 60_000;

export interface Paths {
  readonly room: PathRoom | undefined;
  /** What a pass goes by. */
  facts(): Pick<LocalFacts, 'probePort' | 'paths' | 'innerMtus' | 'liveness'>;
  /** What is known of the way to a peer by that endpoint. */
  readonly pathOf: (peer: PublicKey, endpoint: Endpoint | null | undefined) => Path | undefined;
  /** All that is known of the ways to a peer. */
  readonly waysTo: (peer: PublicKey) => readonly Path[];
  /** What fits into the tunnel to a peer, Infinity where all of its packets do; undefined while that is not known. */
  readonly innerMtu: (peer: PublicKey) => number | undefined;
  /** What this host looks like from outside. */
  outside(): Outside;
  /** Where the server reflects; undefined while that is not known. */
  reflector(): Endpoint | undefined;
  readonly isDead: (peer: PublicKey) => boolean;
  /** What this host itself finds of its peers. */
  verdicts(): ReadonlyMap<PublicKey, Verdict>;
  /** A peer answers now, without a relay. */
  isAnswered(): boolean;
  /** What this host has to find ways with. */
  ground(): OwnGround;
  /** The map with this host's own finding of who is there. */
  judge(map: NetworkMap): NetworkMap;
  /** A pass has ended. */
  reached(reached: Reached): void;
  stop(): void;
}

export function startPaths(
  context: Context,
  reconciler: () => Pick<Reconciler, 'wake' | 'reached' | 'wireguard'>,
  onNews: () => void,
  onPskSpoken: (peer: PublicKey, isSpoken: boolean) => void,
): Paths {
  const { channel, clock, log, settings } = context;
  let before: string | undefined;
  /** Before the kernel lends its port, a question would come from another one and be answered with that. */
  let isLent = false;
  const reflector = (): Endpoint | undefined => (isLent ? reflectorOf(context) : undefined);
  let peers: readonly PublicKey[] = [];
  const own = (): Endpoint[] => ownEndpoints(context, reconciler().reached());
  const room =
    channel === undefined
      ? undefined
      : startPathRoom({
          channel,
          clock,
          log,
          self: settings().publicKey,
          own,
          wireguard: () => reconciler().wireguard(),
          reflector,
          hosts: () => context.membership.usable()?.hosts ?? [],
          onChange: () => reconciler().wake(),
          onOutside: onNews,
          isPskSpoken: context.psk !== undefined,
          onPskSpoken,
        });
  const outside = (): Outside => room?.outside() ?? { nat: 'unknown', mappedEndpoints: [] };
  const isAnswered = (): boolean => {
    const isDirect = (key: PublicKey): boolean => !isCarried(room?.best(key)?.kind ?? 'relay');
    const { membership, selfId } = context;
    return (membership.map()?.hosts ?? []).some(({ id, publicKey }) => id !== selfId && isDirect(publicKey));
  };
  const watch = startWatch(context, room, reconciler);
  return {
    room,
    facts: () => ({
      probePort: channel?.port(),
      paths: room?.wishes(reconciler().wireguard()) ?? new Map(),
      innerMtus: innerMtus(room, peers),
      liveness: watch.verdicts(),
    }),
    pathOf: (peer, endpoint) => (endpoint ? room?.path(peer, endpoint) : undefined),
    waysTo: (peer) => room?.ways(peer) ?? [],
    outside,
    reflector,
    ground: () => ({
      canAsk: room !== undefined && hasTable(reconciler().reached()),
      nat: outside().nat,
      endpoints: own(),
      isAnswered: isAnswered() || (room?.sights().some(({ at }) => clock.now() - at < answeredMs) ?? false),
    }),
    verdicts: () => watch.verdicts(),
    isDead: (peer) => watch.verdicts().get(peer) === 'dead',
    isAnswered,
    judge: (map) => watch.judge(map),
    innerMtu: (peer) => room?.innerMtu(peer),
    reached: (reached) => {
      const { desired } = reached;
      if (room === undefined || desired === undefined) return;
      const now = own().join();
      if (before !== undefined && before !== now) room.stir();
      before = now;
      if (!isLent && hasTable(reached)) {
        isLent = true;
        room.reflect();
      }
      peers = [...desired.peers.keys()];
      room.setPeers(desired, standIns(context.membership.map()?.hosts ?? []));
      watch.setPeers(desired.peers);
    },
    stop: () => {
      watch.stop();
      room?.stop();
      channel?.close();
    },
  };
}

/** The rules that lend the agent WireGuard's port are in the kernel. */
const hasTable = ({ desired, failures }: Reached): boolean =>
  desired !== undefined &&
  !failures.some(({ kind, subject }) => kind === 'table-set' && subject === desired.table.name);

function innerMtus(room: PathRoom | undefined, peers: readonly PublicKey[]): ReadonlyMap<PublicKey, number> {
  const known = peers.map((peer) => [peer, room?.innerMtu(peer)] as const);
  return new Map(known.flatMap(([peer, mtu]) => (mtu === undefined ? [] : [[peer, mtu]])));
}

function reflectorOf({ membership, link }: Context): Endpoint | undefined {
  const [port, server] = [membership.reflectorPort(), link.path()?.server];
  return port === null || server === undefined ? undefined : makeEndpoint(server, port);
}

/** This host's addresses on real networks, best first. */
export function ownEndpoints(
  { membership, settings, link }: Context,
  { observed }: Pick<Reached, 'observed'>,
): Endpoint[] {
  const { interfaceName, bridgeName, listenPort } = settings();
  const map = membership.map();
  return localEndpoints(observed?.links.values() ?? [], {
    own: new Set([interfaceName, bridgeName]),
    pools: map === undefined ? [] : [...map.mesh.overlayPools, ...map.mesh.containerPools],
    listenPort,
    preferred: link.path()?.local,
  });
}
