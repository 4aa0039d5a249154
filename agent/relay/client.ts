/**
 * This host as a client of relays: keeps ways through them for peers that it does not reach directly, and offers those
 * that are through to the path room, which proves them end to end. It neither chooses nor moves anything.
 */
import type { HostName } from '../../shared/names.ts';
import type { HostRecord } from '../../shared/network-map.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { Clock, Timer } from '../clock.ts';
import { newTransaction } from '../paths/exchange.ts';
import type { PathRoom } from '../paths/room.ts';
import { type Path, isCarried } from '../paths/path.ts';
import { relayAt } from '../paths/relay-port.ts';
import type { Channel } from '../probe/channel.ts';
import { senderOf } from '../probe/wire.ts';
import type { PeerGround, RelayGround, Sent } from './ground.ts';
import { createLinks } from './links.ts';
import { type ProbeId, decodeBody, relayKinds } from './wire.ts';

export interface RelayClientOptions {
  readonly clock: Clock;
  readonly channel: Channel;
  /** Its key may be replaced. */
  readonly self: () => PublicKey;
  readonly paths: Pick<PathRoom, 'best' | 'path' | 'setCarried'>;
}

export interface RelayClient {
  /** The hosts of the map but this one. */
  setHosts(hosts: readonly HostRecord[]): void;
  stop(): void;
}

/** How often is looked whether a peer is in need. */
const lookMs = 500;
const leastMs = 20;

interface Known {
  readonly host: HostRecord;
  readonly id: ProbeId;
}

export function startRelayClient({ clock, channel, self, paths }: RelayClientOptions): RelayClient {
  let selfId = senderOf(self());
  let links = createLinks(selfId, newTransaction);
  const offered = new Map<string, { readonly peer: PublicKey; readonly via: HostName; readonly endpoint: Endpoint }>();
  let known = new Map<ProbeId, Known>();
  let relays: readonly Known[] = [];
  let timer: Timer | undefined;
  let turnAt = Infinity;
  let isStopped = false;

  const direct = (path: Path | undefined, host: HostRecord): Path | undefined =>
    path === undefined ||
    isCarried(path.kind) ||
    relayAt(
      path.endpoint,
      host,
      relays.map((relay) => relay.host),
    ) !== undefined
      ? undefined
      : path;
  const peerGround = ({ host }: Known): PeerGround => {
    const best = paths.best(host.publicKey);
    const via = best?.kind === 'relay' ? best.via : undefined;
    return {
      isInNeed: direct(best, host) === undefined,
      inUse: relays.find((relay) => relay.host.name === via)?.id,
    };
  };
  const relayGrounds = (): RelayGround[] =>
    relays
      .flatMap(({ host, id }) => {
        const best = direct(paths.best(host.publicKey), host);
        return best === undefined ? [] : [{ id, endpoints: [best.endpoint], rttMs: best.rttMs }];
      })
      .sort((one, other) => one.rttMs - other.rttMs);
  const send = (all: readonly Sent[]): void => {
    for (const { to, host, kind, transaction, body } of all) {
      const key = known.get(host)?.host.publicKey;
      if (key !== undefined) channel.send(to, key, { kind, transaction: Buffer.from(transaction, 'hex'), body });
    }
  };
  const offer = (): void => {
    const routes = new Map(links.routes().map((route) => [`${route.peer} ${route.relay}`, route]));
    for (const [key, { peer, via, endpoint }] of offered) {
      if (routes.get(key)?.endpoint === endpoint) continue;
      offered.delete(key);
      paths.setCarried(peer, { kind: 'relay', via }, undefined);
    }
    for (const [key, { peer, relay, endpoint }] of routes) {
      const [one, other] = [known.get(peer)?.host, known.get(relay)?.host];
      if (one === undefined || other === undefined) continue;
      // The room may have forgotten the peer in between, or have heard from it there before.
      if (offered.has(key) && paths.path(one.publicKey, endpoint)?.kind === 'relay') continue;
      offered.set(key, { peer: one.publicKey, via: other.name, endpoint });
      paths.setCarried(one.publicKey, { kind: 'relay', via: other.name }, endpoint);
    }
  };
  const turn = (): void => {
    turnAt = Infinity;
    const now = clock.now();
    if (relays.length > 0 || offered.size > 0) {
      const peers = new Map([...known].map(([id, one]) => [id, peerGround(one)]));
      links.stand({ peers, relays: relayGrounds(), marked: new Set(relays.map(({ id }) => id)) }, now);
      for (const [id, { host }] of known) if ((paths.best(host.publicKey)?.misses ?? 1) > 0) links.renew(id, now);
      send(links.due(now));
      offer();
    }
    schedule();
  };
  const schedule = (): void => {
    if (isStopped || relays.length + offered.size === 0) return;
    const now = clock.now();
    const at = now + Math.min(lookMs, Math.max(leastMs, links.nextAt() - now));
    // Only ever earlier: messages that keep coming must not put the next turn off.
    if (at >= turnAt) return;
    timer?.cancel();
    turnAt = at;
    timer = clock.after(at - now, turn);
  };
  for (const kind of [relayKinds.grant, relayKinds.invite, relayKinds.challenge, relayKinds.ready]) {
    channel.on(kind, ({ peer, from, transaction, body: bytes }) => {
      const body = decodeBody(bytes);
      if (body === undefined) return;
      const message = { kind, relay: senderOf(peer), from, transaction: transaction.toString('hex'), body };
      send(links.hear(message, clock.now()));
      offer();
      schedule();
    });
  }
  return {
    setHosts: (hosts) => {
      if (senderOf(self()) !== selfId) {
        selfId = senderOf(self());
        links = createLinks(selfId, newTransaction);
      }
      known = new Map(hosts.map((host) => [senderOf(host.publicKey), { host, id: senderOf(host.publicKey) }]));
      relays = [...known.values()].filter(({ host }) => host.isRelay);
      schedule();
    },
    stop: () => {
      isStopped = true;
      timer?.cancel();
    },
  };
}
