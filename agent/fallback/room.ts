/**
 * The way of last resort: where no UDP gets through, packets of a pair go over TLS streams of both hosts to the same relay,
 * which passes them on in user space and sees ciphertext alone. For WireGuard each such way is a port on loopback, so the
 * probes prove it from end to end like any other, and the path room chooses. It decides nothing of who is reached how.
 */
import type { Logger } from 'pino';
import type { HostId, HostName } from '../../shared/names.ts';
import { type Endpoint, splitEndpoint } from '../../shared/net/endpoint.ts';
import type { HostRecord } from '../../shared/network-map.ts';
import type { Clock } from '../clock.ts';
import type { Fault } from '../failures.ts';
import { isCarried } from '../paths/path.ts';
import type { PathRoom } from '../paths/room.ts';
import { senderOf } from '../probe/wire.ts';
import { createTimers } from '../reconcile/timers.ts';
import type { PortRange } from '../relay/ports.ts';
import type { ProbeId } from '../relay/wire.ts';
import type { Credentials } from '../state.ts';
import { type Dialer, type Place, startDialer } from './dialer.ts';
import { type Frame, isBetweenHosts } from './frame.ts';
import type { ListenAt } from './listen-at.ts';
import { type Listener, startListener } from './listener.ts';
import { createNeeds } from './needs.ts';
import { type Ways, createWays } from './ways.ts';

export interface FallbackOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly selfId: HostId;
  readonly selfKey: () => HostRecord['publicKey'];
  readonly credentials: () => Promise<Credentials>;
  readonly listenPort: () => number;
  readonly relayPorts: PortRange;
  /** Where this host takes others in, once it is a relay; undefined: nowhere. */
  readonly listenAt: ListenAt | undefined;
  readonly paths: Pick<PathRoom, 'best' | 'path' | 'ways' | 'setCarried'>;
  /** Tells a host that is reached by UDP that `partner` sends to it over TLS. */
  readonly knock: (host: HostRecord, partner: HostRecord) => void;
  /** There is something else to tell the server. */
  readonly onNews: () => void;
}

export interface Fallback {
  /** All hosts of the map; without this one among them nobody has a way here. */
  stand(hosts: readonly HostRecord[]): void;
  /** A relay says that this host sends to us over TLS. */
  knocked(relay: HostRecord['publicKey'], partner: ProbeId): void;
  /** Where this host takes others in now. */
  port(): number | undefined;
  /** The host's certificate is another one. */
  refresh(): void;
  faults(): readonly Fault[];
  stop(): void;
}

const lookMs = 1_000;
/** A host that no relay can call by UDP does not wait for that. */
const patienceMs = 2_500;
/** The other one is called; this is for pairs whose packets get lost between them and the UDP relays alone. */
const calledPatienceMs = 30_000;
const knockAgainMs = 500;
/** All hosts try the same ones, so that any two meet. */
const mostRelays = 4;

export function startFallback(options: FallbackOptions): Fallback {
  const { clock, log, selfId, paths, credentials, listenAt } = options;
  const timers = createTimers(clock);
  const needs = createNeeds();
  const dialers = new Map<HostId, Dialer>();
  const knocks = new Map<HostId, number>();
  const ownSpread = calledPatienceMs * (1 + clock.random() / 2);
  let hosts: ReadonlyMap<HostId, HostRecord> = new Map();
  let ids: ReadonlyMap<ProbeId, HostId> = new Map();
  let known: readonly HostRecord[] | undefined;
  let isRelay = false;
  let listener: Listener | undefined;
  let selfName: HostName | undefined;
  let ownEndpoints: HostRecord['endpoints'] = [];

  /** A hash each, and every packet needs one. */
  const senders = new Map<HostRecord['publicKey'], ProbeId>();
  const sender = (key: HostRecord['publicKey']): ProbeId => {
    const id = senders.get(key) ?? senderOf(key);
    senders.set(key, id);
    return id;
  };
  const idOf = (host: HostRecord): ProbeId => sender(host.publicKey);
  const ownId = (): ProbeId => sender(options.selfKey());
  const ways: Ways = createWays({
    log,
    listenPort: options.listenPort,
    avoid: options.relayPorts,
    nameOf: (relay) => (relay === selfId ? selfName : hosts.get(relay)?.name),
    offer: (peer, via, endpoint) => {
      const host = hosts.get(peer);
      if (host !== undefined) paths.setCarried(host.publicKey, { kind: 'tls', via }, endpoint);
    },
    isOffered: (peer, endpoint) => {
      const host = hosts.get(peer);
      return host !== undefined && paths.path(host.publicKey, endpoint)?.via !== undefined;
    },
    send: (peer, relay, packet) => {
      const host = hosts.get(peer);
      if (host === undefined) return;
      if (relay === selfId) listener?.links.get(peer)?.send(ownId(), packet);
      else dialers.get(relay)?.link()?.send(idOf(host), packet);
    },
  });

  const fromRelay = (relay: HostId, { peer, payload }: Frame): void => {
    const from = ids.get(peer);
    if (from === undefined || !isBetweenHosts(payload)) return;
    needs.note(from, clock.now());
    if (!ways.deliver(from, relay, payload)) timers.later('soon', 0, turn);
  };
  /** As a relay: for this host itself, for another one that is here, or for one that has to be called. */
  const fromHost = (from: HostId, { peer, payload }: Frame): void => {
    const host = hosts.get(from);
    if (host === undefined || !isBetweenHosts(payload)) return;
    if (peer === ownId()) return fromRelay(selfId, { peer: idOf(host), payload });
    const target = ids.get(peer);
    const partner = target === undefined ? undefined : hosts.get(target);
    if (target === undefined || partner === undefined || target === from) return;
    const link = listener?.links.get(target);
    if (link !== undefined) link.send(idOf(host), payload);
    else knock(partner, host);
  };
  const knock = (host: HostRecord, partner: HostRecord): void => {
    const now = clock.now();
    if (now - (knocks.get(host.id) ?? -Infinity) < knockAgainMs) return;
    knocks.set(host.id, now);
    options.knock(host, partner);
  };

  const relaysOf = (): HostRecord[] =>
    [...hosts.values()]
      .filter((host) => host.isRelay && host.tlsPort !== undefined)
      .sort(byId)
      .slice(0, mostRelays);
  const listen = (): void => {
    if (listenAt !== undefined && isRelay && listener === undefined) {
      const isAdmitted = (host: HostId): boolean => hosts.has(host);
      const onChange = (): void => {
        options.onNews();
        timers.later('soon', 0, turn);
      };
      listener = startListener({ clock, log, at: listenAt, credentials, isAdmitted, onFrame: fromHost, onChange });
    }
    if (!isRelay) {
      listener?.stop();
      listener = undefined;
    }
    listener?.sift();
  };
  const dial = (relays: readonly HostRecord[]): void => {
    const wanted = new Set(relays.map(({ id }) => id));
    for (const [id, dialer] of dialers) {
      if (wanted.has(id)) continue;
      dialers.delete(id);
      dialer.stop();
    }
    for (const relay of wanted) {
      if (dialers.has(relay)) continue;
      const places = (): Place[] => placesOf(hosts.get(relay));
      const onFrame = (frame: Frame): void => fromRelay(relay, frame);
      const onChange = (): void => timers.later('soon', 0, turn);
      dialers.set(relay, startDialer({ clock, credentials, relay, places, onFrame, onChange }));
    }
  };
  const turn = (): void => {
    const now = clock.now();
    const relays = relaysOf();
    const isInNeed = ({ publicKey, isGone }: HostRecord): boolean =>
      !isGone && (paths.best(publicKey)?.kind ?? 'tls') === 'tls';
    const isCallable = relays.some(({ publicKey }) => !isCarried(paths.best(publicKey)?.kind ?? 'tls'));
    const peers = new Map([...hosts.values()].map((host) => [host.id, isInNeed(host)]));
    const patienceOf = (peer: HostId): number =>
      isCallable && hasCommonFamily(ownEndpoints, hosts.get(peer)?.endpoints ?? []) ? ownSpread : patienceMs;
    needs.stand(peers, patienceOf, now);
    // An agent that starts finds a tunnel that its predecessor's stream carried.
    for (const { id, publicKey } of hosts.values())
      if (paths.ways(publicKey).some(({ kind, via }) => kind === 'tls' && via === undefined)) needs.note(id, now);
    const wanted = [...hosts.keys()].filter((peer) => needs.isWanted(peer, now));
    dial(wanted.length > 0 ? relays : []);
    const standing = [...dialers].flatMap(([relay, dialer]) => (dialer.link() === undefined ? [] : [relay]));
    const here = (peer: HostId): HostId[] => (listener?.links.has(peer) === true ? [selfId] : []);
    ways.stand(new Map(wanted.map((peer) => [peer, [...standing, ...here(peer)]])));
    if (relays.length > 0 || listener !== undefined || dialers.size > 0) timers.later('look', lookMs, turn);
  };
  return {
    stand: (all) => {
      if (all === known) return;
      known = all;
      senders.clear();
      const self = all.find(({ id }) => id === selfId);
      const others = self === undefined ? [] : all.filter(({ id }) => id !== selfId);
      hosts = new Map(others.map((host) => [host.id, host]));
      ids = new Map(others.map((host) => [idOf(host), host.id]));
      selfName = self?.name;
      ownEndpoints = self?.endpoints ?? [];
      isRelay = self?.isRelay === true;
      for (const host of knocks.keys()) if (!hosts.has(host)) knocks.delete(host);
      listen();
      timers.later('soon', 0, turn);
    },
    knocked: (relay, partner) => {
      const from = ids.get(partner);
      if (from === undefined || !relaysOf().some(({ publicKey }) => publicKey === relay)) return;
      needs.note(from, clock.now());
      timers.later('soon', 0, turn);
    },
    // As soon as it will listen, so that an agent that starts again is not taken for no relay in between.
    port: () => listener?.port() ?? (listener?.fault() === undefined ? portOf(listener && listenAt) : undefined),
    refresh: () => listener?.refresh(),
    faults: () => [
      ...[listener?.fault()].flatMap((why) => (why === undefined ? [] : [listenFault(options.listenAt, why)])),
      ...[ways.fault()].flatMap((why) => (why === undefined ? [] : [{ kind: 'relay-tls', subject: 'loopback', why }])),
    ],
    stop: () => {
      timers.stop();
      for (const dialer of dialers.values()) dialer.stop();
      dialers.clear();
      listener?.stop();
      ways.stop();
    },
  };
}

/** 0 is any port, and known once it listens. */
const portOf = (at: ListenAt | undefined): number | undefined => (at?.port === 0 ? undefined : at?.port);

const listenFault = (at: ListenAt | undefined, why: string): Fault => ({
  kind: 'relay-tls',
  subject: `${at?.port ?? 0}/tcp`,
  why: `${why}; is another program there? set another address and port as WARREN_RELAY_TLS`,
});

/** Each address of the relay once, best first. */
function placesOf(relay: HostRecord | undefined): Place[] {
  const port = relay?.tlsPort;
  if (relay === undefined || port === undefined) return [];
  return [...new Set(relay.endpoints.map((one) => splitEndpoint(one).address))].map((address) => ({ address, port }));
}

/** Of hosts without any no UDP packet can be sent from one to the other, by a relay neither; unknown is as good as common. */
function hasCommonFamily(own: HostRecord['endpoints'], other: HostRecord['endpoints']): boolean {
  const isSix = (endpoint: Endpoint): boolean => endpoint.startsWith('[');
  if (own.length === 0 || other.length === 0) return true;
  return own.some((one) => other.some((two) => isSix(one) === isSix(two)));
}

const byId = (one: HostRecord, other: HostRecord): number => (one.id < other.id ? -1 : 1);
