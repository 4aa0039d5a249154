/** What `warren status` says of this host, and whether it is ready. Pure: everything it tells of is given. */
import type { Failure, ReportBody } from '../shared/api/report.ts';
import type { HostId } from '../shared/names.ts';
import type { NetworkMap } from '../shared/network-map.ts';
import type { Cursor, Standing } from '../shared/protocol.ts';
import type { Endpoint } from '../shared/net/endpoint.ts';
import { version } from '../shared/version.ts';
import type { PublicKey } from '../shared/wireguard.ts';
import { timeOf } from './clock.ts';
import type { AgentSettings } from './config.ts';
import type { PeerStatus, Status } from './local/api.ts';
import type { ObservedWireguard } from './plan/observed.ts';
import type { Outside } from './paths/mapped.ts';
import type { Path } from './paths/path.ts';
import { viewPath } from './paths/view.ts';
import { type OwnGround, whyNotDirect } from './paths/why.ts';
import type { PostQuantum } from './psk/view.ts';
import type { HostSettings } from './plan/settings.ts';
import { peerReports } from './report.ts';
import type { HostFile } from './state.ts';
import type { Connection } from './stream.ts';

export interface StatusFacts {
  readonly now: number;
  readonly agent: AgentSettings;
  readonly host: HostFile;
  readonly settings: HostSettings;
  readonly map: NetworkMap | undefined;
  readonly applied: Cursor | undefined;
  readonly mtu: number | undefined;
  readonly state: Standing['state'] | 'removed' | 'unknown';
  readonly connection: Connection;
  readonly backend: ReportBody['backend'] & { readonly note: string | null };
  readonly wireguard: ObservedWireguard | undefined;
  /** What probes know of the way to a peer by that endpoint. */
  readonly pathOf: (peer: PublicKey, endpoint: Endpoint | null | undefined) => Path | undefined;
  readonly waysTo: (peer: PublicKey) => readonly Path[];
  readonly ground: OwnGround;
  readonly outside: Outside;
  /** Pairs that this host forwards for; undefined while it is no relay. */
  readonly relayedPairs: number | undefined;
  /** This host itself found out that a peer does not answer any more. */
  readonly isDead: (peer: PublicKey) => boolean;
  /** `handshakeAt`: milliseconds since 1970, 0 for never. */
  readonly postQuantum: (peer: PublicKey, handshakeAt: number) => PostQuantum;
  readonly innerMtu: (peer: PublicKey) => number | undefined;
  /** When each peer first stood in a map this agent saw. */
  readonly firstSeenAt: ReadonlyMap<HostId, number>;
  readonly certificateExpiresAt: number | undefined;
  readonly attachments: ReportBody['attachments'];
  readonly engine: Status['engine'];
  readonly lock: Status['lock'];
  readonly failures: readonly Failure[];
}

/** A peer that is silent for longer is dead, and no reason for this host not to be ready. */
const youngMs = 15_000;

export function describeStatus(facts: StatusFacts): Status {
  const { agent, host, settings, map, connection } = facts;
  const self = map?.hosts.find((one) => one.id === settings.selfId);
  const peers = map === undefined ? [] : describePeers(map, facts);
  const waitingFor = whatIsMissing(facts, peers);
  return {
    instance: agent.instance,
    version,
    hostId: settings.selfId,
    name: self?.name ?? host.name,
    state: facts.state,
    addresses: self?.addresses ?? [],
    leases: self?.leases ?? [],
    subnets: self?.subnets.map((subnet) => subnet.prefix) ?? [],
    interface: settings.interfaceName,
    bridge: settings.bridgeName,
    listenPort: settings.listenPort,
    mtu: facts.mtu ?? null,
    publicKey: settings.publicKey,
    backend: facts.backend,
    applied: facts.applied ?? null,
    received: map === undefined ? null : { epoch: map.epoch, revision: map.revision },
    server: {
      url: host.serverUrl,
      state: connection.kind,
      since: connection.kind === 'connected' ? timeOf(connection.sinceAt) : null,
      retryAt: connection.kind === 'waiting' ? timeOf(connection.retryAt) : null,
      error: connection.kind === 'waiting' ? { code: connection.error.code, message: connection.error.message } : null,
    },
    nat: facts.outside.nat ?? 'unknown',
    mappedEndpoints: [...(facts.outside.mappedEndpoints ?? [])],
    relay: facts.relayedPairs === undefined ? null : { pairs: facts.relayedPairs },
    certificateExpiresAt: facts.certificateExpiresAt === undefined ? null : timeOf(facts.certificateExpiresAt),
    peers,
    attachments: facts.attachments,
    engine: facts.engine,
    lock: facts.lock,
    failures: [...facts.failures],
    isReady: waitingFor === null,
    waitingFor,
  };
}

function describePeers(map: NetworkMap, facts: StatusFacts): PeerStatus[] {
  const { settings, wireguard, now } = facts;
  const reports = new Map(peerReports(map, settings.selfId, wireguard).map((report) => [report.hostId, report]));
  return map.hosts
    .filter((host) => host.id !== settings.selfId)
    .map((host) => {
      const report = reports.get(host.id);
      const handshakeAt = report?.handshakeAt ?? null;
      const endpoint = report?.endpoint ?? null;
      const view = viewPath(endpoint, handshakeAt !== null, facts.pathOf(host.publicKey, endpoint));
      const ways = facts.waysTo(host.publicKey);
      return {
        hostId: host.id,
        name: host.name,
        addresses: host.addresses,
        leases: host.leases,
        endpoint,
        ...view,
        whyNotDirect: whyNotDirect({
          now,
          own: facts.ground,
          peer: host,
          path: view.path,
          isDead: facts.isDead(host.publicKey),
          ways,
        }),
        postQuantum: facts.postQuantum(host.publicKey, handshakeAt === null ? 0 : Date.parse(handshakeAt)),
        mtu: lowered(facts.innerMtu(host.publicKey), facts.mtu),
        handshakeAt,
        handshakeAgeSeconds:
          handshakeAt === null ? null : Math.max(0, Math.round((now - Date.parse(handshakeAt)) / 1000)),
        rxBytes: report?.rxBytes ?? 0,
        txBytes: report?.txBytes ?? 0,
        isGone: host.isGone,
      };
    });
}

const lowered = (innerMtu: number | undefined, mtu: number | undefined): number | null =>
  innerMtu === undefined || mtu === undefined || innerMtu >= mtu ? null : innerMtu;

function whatIsMissing(facts: StatusFacts, peers: readonly PeerStatus[]): string | null {
  const { map, applied } = facts;
  if (facts.state === 'pending') return 'an operator must approve this host';
  if (facts.state === 'disabled' || facts.state === 'removed') return `the server says this host is ${facts.state}`;
  if (map === undefined) return 'no network map came yet';
  if (applied?.epoch !== map.epoch || applied.revision !== map.revision)
    return `revision ${map.revision} is not applied yet`;
  const [failure] = facts.failures;
  if (failure !== undefined) return `${failure.kind} ${failure.subject}: ${failure.why}`;
  if (map.mesh.keepaliveSeconds === 0) return null;
  const silent = peers.find(
    (peer) =>
      peer.handshakeAt === null && !peer.isGone && facts.now - (facts.firstSeenAt.get(peer.hostId) ?? 0) < youngMs,
  );
  return silent === undefined ? null : `${silent.name} has not answered yet`;
}
