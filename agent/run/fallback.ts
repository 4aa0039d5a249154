/** Ways over TLS as a part of the running agent: as a client of relays, and as one where map and settings say so. */
import { randomBytes } from 'node:crypto';
import type { ReportBody } from '../../shared/api/report.ts';
import type { Fault } from '../failures.ts';
import { type Fallback, startFallback } from '../fallback/room.ts';
import { isCarried } from '../paths/path.ts';
import { senderOf } from '../probe/wire.ts';
import { decodeBody, encodeBody, noChallenge, relayKinds } from '../relay/wire.ts';
import type { Context } from './context.ts';
import type { Paths } from './paths.ts';

export interface FallbackRoom {
  /** The map or this host's standing may be another one: who lost his place in it is cut off. */
  stand(): void;
  told(): Pick<ReportBody, 'tlsPort'>;
  /** The host's certificate is another one. */
  refresh(): void;
  faults(): readonly Fault[];
  /** Streams and what goes through them end with the agent. */
  stop(): void;
}

/** Without probes no way can be proven. */
export function startFallbackRoom(context: Context, { room }: Pick<Paths, 'room'>, onNews: () => void): FallbackRoom {
  const { channel, clock, log, agent, settings, membership, selfId, state } = context;
  if (channel === undefined || room === undefined) return nothing;
  const fallback: Fallback = startFallback({
    clock,
    log,
    selfId,
    selfKey: () => settings().publicKey,
    credentials: () => state.readCredentials(),
    listenPort: () => settings().listenPort,
    relayPorts: agent.relayPorts,
    listenAt: agent.relayTls,
    paths: room,
    knock: ({ publicKey }, partner) => {
      const best = room.best(publicKey);
      if (best === undefined || isCarried(best.kind)) return;
      const body = encodeBody({ port: 0, standing: 0, partner: senderOf(partner.publicKey), challenge: noChallenge });
      channel.send(best.endpoint, publicKey, { kind: relayKinds.knock, transaction: randomBytes(8), body });
    },
    onNews,
  });
  channel.on(relayKinds.knock, ({ peer, body }) => {
    const said = decodeBody(body);
    if (said !== undefined) fallback.knocked(peer, said.partner);
  });
  const stand = (): void => fallback.stand(membership.usable()?.hosts ?? []);
  stand();
  return {
    stand,
    told: () => {
      const tlsPort = fallback.port();
      return tlsPort === undefined ? {} : { tlsPort };
    },
    refresh: () => fallback.refresh(),
    faults: () => fallback.faults(),
    stop: () => fallback.stop(),
  };
}

const nothing: FallbackRoom = {
  stand: () => undefined,
  told: () => ({}),
  refresh: () => undefined,
  faults: () => [],
  stop: () => undefined,
};
