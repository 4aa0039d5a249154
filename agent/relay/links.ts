/**
 * What this host has with relays, a link per peer and relay: asked for, claimed, through. The host with the lower id asks
 * first and the other follows its invitation, so both are at the same relays; who waits too long asks by itself. Pure
 * but for its own memory: the caller owns clock, packets, and the knowledge of who is reached how.
 */
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { FromRelay, Ground, Route, Sent } from './ground.ts';
import { type Link, newLink, portEndpoint, restart } from './link.ts';
import { type ProbeId, type RelayBody, encodeBody, noChallenge, refusals, relayKinds } from './wire.ts';

export interface Links {
  /** Takes note of what is known now; asks where there is need. */
  stand(ground: Ground, now: number): void;
  hear(message: FromRelay, now: number): readonly Sent[];
  /** What is to be sent now. */
  due(now: number): readonly Sent[];
  /** When `due` has something next. */
  nextAt(): number;
  /** Ways that relays say are through; the ends prove them. */
  routes(): readonly Route[];
  /** Something is wrong with the way to this peer: claim again now, for its mapping may be another one. */
  renew(peer: ProbeId, now: number): void;
}

/** One that carries traffic and one that is warm. */
const wantedLinks = 2;
/** With those that others invited to. */
const mostLinks = 4;
/** A direct way that works is proven by then. */
const askMs = 600;
/** How long the host with the higher id waits to be invited. */
const followMs = 2_000;
/** A relay that did not come through by then is no longer counted on, and another one is asked. */
const hopeMs = 3_000;
/** And by then it is left alone for a while, ever longer: the peer may be gone for good. Invitations are followed all the same. */
const patienceMs = 30_000;
const avoidMs = 30_000;
const longestAvoidMs = 600_000;
/** A direct way may break again; until then the link stays. */
const lingerMs = 60_000;
/** A claim that moves a mapping heals the way, so the one in use is renewed often. */
const renewInUseMs = 1_500;
const renewWarmMs = 15_000;
const firstRetryMs = 250;
const longestRetryMs = 2_000;

export function createLinks(self: ProbeId, newTransaction: () => string): Links {
  const links = new Map<string, Link>();
  /** Where it was in vain, how often in a row, and until when it is not tried again. */
  const avoided = new Map<string, { readonly times: number; readonly until: number }>();
  /** Since when each peer is in need; until when it was. */
  const needs = new Map<ProbeId, { since: number | undefined; endedAt: number }>();
  let ground: Ground = { peers: new Map(), relays: [], marked: new Set() };

  const keyOf = (peer: ProbeId, relay: ProbeId): string => `${peer} ${relay}`;
  const linksOf = (peer: ProbeId): Link[] => [...links.values()].filter((link) => link.peer === peer);
  const begin = (peer: ProbeId, relay: ProbeId, endpoint: Endpoint, port: number, now: number): Link => {
    const link = newLink(peer, relay, endpoint, port, now);
    links.set(keyOf(peer, relay), link);
    return link;
  };
  const avoid = (link: Link, now: number): void => {
    const key = keyOf(link.peer, link.relay);
    const times = (avoided.get(key)?.times ?? 0) + 1;
    links.delete(key);
    avoided.set(key, { times, until: now + Math.min(longestAvoidMs, avoidMs * 2 ** Math.min(times - 1, 8)) });
  };
  const isHopeful = (link: Link, now: number): boolean => link.phase === 'through' || now - link.beganAt < hopeMs;

  const noteNeeds = (now: number): void => {
    for (const peer of needs.keys()) if (!ground.peers.has(peer)) needs.delete(peer);
    for (const [peer, { isInNeed }] of ground.peers) {
      const need = needs.get(peer);
      if (isInNeed) needs.set(peer, { since: need?.since ?? now, endedAt: now });
      else if (need?.since !== undefined) needs.set(peer, { since: undefined, endedAt: now });
    }
  };
  const prune = (now: number): void => {
    for (const key of avoided.keys()) if (!ground.peers.has(key.split(' ')[0] ?? '')) avoided.delete(key);
    for (const link of links.values()) {
      const need = needs.get(link.peer);
      const isNeeded = need !== undefined && (need.since !== undefined || now - need.endedAt < lingerMs);
      if (!ground.peers.has(link.peer) || !ground.marked.has(link.relay) || !isNeeded)
        links.delete(keyOf(link.peer, link.relay));
      else if (link.phase !== 'through' && now - link.beganAt >= patienceMs) avoid(link, now);
    }
  };
  /** A relay that is elsewhere now is asked there; one whose way is not proven at the moment may still forward. */
  const follow = (now: number): void => {
    const at = new Map(ground.relays.map(({ id, endpoints }) => [id, endpoints]));
    for (const link of links.values()) {
      const endpoints = at.get(link.relay);
      const [best] = endpoints ?? [];
      if (best === undefined || endpoints?.includes(link.endpoint) === true) continue;
      link.endpoint = best;
      restart(link, now, 0);
    }
  };
  const askMore = (now: number): void => {
    for (const [peer, { since }] of needs) {
      if (since === undefined || now - since < (self < peer ? askMs : followMs)) continue;
      const had = linksOf(peer);
      let hopeful = had.filter((link) => isHopeful(link, now)).length;
      for (const { id, endpoints } of ground.relays) {
        const [endpoint] = endpoints;
        if (hopeful >= wantedLinks || linksOf(peer).length >= mostLinks) break;
        if (endpoint === undefined || id === peer || links.has(keyOf(peer, id))) continue;
        if ((avoided.get(keyOf(peer, id))?.until ?? 0) > now) continue;
        begin(peer, id, endpoint, 0, now);
        hopeful += 1;
      }
    }
  };

  const send = (link: Link, kind: number, now: number, rest: Partial<RelayBody> = {}): Sent => {
    const transaction = newTransaction();
    link.transactions = [...link.transactions.slice(-3), transaction];
    link.sentAt = now;
    const body = { port: link.port, standing: 0, partner: link.peer, challenge: noChallenge, ...rest };
    const to = kind === relayKinds.ask ? link.endpoint : portEndpoint(link);
    return { to, host: link.relay, kind, transaction, body: encodeBody(body) };
  };
  const pauseOf = (link: Link): number => {
    const retry = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(link.tries, 8));
    if (link.phase !== 'through' || link.answeredAt < link.sentAt) return retry;
    return ground.peers.get(link.peer)?.inUse === link.relay ? renewInUseMs : renewWarmMs;
  };
  const settle = (link: Link, now: number): void => {
    link.answeredAt = now;
    link.tries = 0;
    link.nextAt = now + pauseOf(link);
  };

  const refused = (link: Link, why: string | undefined, now: number): void => {
    // The relay's map may be a moment behind; a port that is not ours any more is asked for again.
    if (why === 'lost' || why === 'unknown-host') restart(link, now, why === 'lost' ? 0 : 1_000);
    else avoid(link, now);
  };
  const granted = (link: Link, port: number, now: number): Sent => {
    link.phase = 'claiming';
    link.port = port;
    link.tries = 0;
    const claim = send(link, relayKinds.claim, now);
    link.nextAt = now + firstRetryMs;
    return claim;
  };
  const invited = ({ relay, body }: FromRelay, now: number): Sent[] => {
    const { partner: peer, port } = body;
    const known = links.get(keyOf(peer, relay));
    if (known !== undefined) return known.phase === 'asking' && port !== 0 ? [granted(known, port, now)] : [];
    const endpoint = ground.relays.find(({ id }) => id === relay)?.endpoints[0];
    // Where the relay was proven to be, not where a packet says it came from.
    if (endpoint === undefined || port === 0 || !ground.peers.has(peer) || relay === peer) return [];
    if (linksOf(peer).length >= mostLinks) return [];
    // Who needs nothing answers all the same, for the other may.
    needs.set(peer, { since: needs.get(peer)?.since, endedAt: now });
    return [granted(begin(peer, relay, endpoint, port, now), port, now)];
  };

  return {
    stand: (known, now) => {
      ground = known;
      noteNeeds(now);
      prune(now);
      follow(now);
      askMore(now);
    },
    hear: (message, now) => {
      const { kind, relay, from, transaction, body } = message;
      if (!ground.marked.has(relay)) return [];
      if (kind === relayKinds.invite) return invited(message, now);
      const link = links.get(keyOf(body.partner, relay));
      if (link === undefined || !link.transactions.includes(transaction)) return [];
      if (kind === relayKinds.grant) {
        if (body.port === 0) refused(link, refusals[body.standing], now);
        else if (link.phase === 'asking') return [granted(link, body.port, now)];
        return [];
      }
      if (link.port === 0 || from !== portEndpoint(link)) return [];
      if (kind === relayKinds.challenge) {
        const echo = send(link, relayKinds.echo, now, { challenge: body.challenge });
        link.nextAt = now + firstRetryMs;
        return [echo];
      }
      if (kind !== relayKinds.ready) return [];
      link.phase = body.standing === 1 ? 'through' : 'claiming';
      if (link.phase === 'through') avoided.delete(keyOf(link.peer, link.relay));
      settle(link, now);
      return [];
    },
    due: (now) => {
      const sent: Sent[] = [];
      for (const link of links.values()) {
        // The one in use may have been a warm one when its next claim was set.
        const isDue = link.nextAt <= now || (link.phase === 'through' && now - link.sentAt >= pauseOf(link));
        if (!isDue) continue;
        sent.push(send(link, link.phase === 'asking' ? relayKinds.ask : relayKinds.claim, now));
        link.nextAt = now + pauseOf(link);
        link.tries += 1;
      }
      return sent;
    },
    nextAt: () => Math.min(Infinity, ...[...links.values()].map(({ nextAt }) => nextAt)),
    routes: () =>
      [...links.values()]
        .filter(({ phase }) => phase === 'through')
        .map((link) => ({ peer: link.peer, relay: link.relay, endpoint: portEndpoint(link) })),
    renew: (peer, now) => {
      for (const link of linksOf(peer))
        if (link.phase === 'through' && now - link.sentAt >= firstRetryMs) link.nextAt = now;
    },
  };
}
