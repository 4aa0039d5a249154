/**
 * One agent, put together: the feed brings maps, the reconciler makes them so, the reporter tells what was reached. Every
 * part that touches the world is given, so a test runs many agents in one process over fake hosts. Starting converges
 * on the saved map at once, server or no server; stopping leaves every tunnel as it is.
 */
import type { Logger } from 'pino';
import type { Failure, ReportBody } from '../shared/api/report.ts';
import { WarrenError, asWarrenError } from '../shared/errors.ts';
import { isAddress } from '../shared/net/address.ts';
import type { Cidr } from '../shared/net/cidr.ts';
import type { NetworkMap } from '../shared/network-map.ts';
import type { Standing } from '../shared/protocol.ts';
import { version } from '../shared/version.ts';
import { type Attachments, openAttachments } from './attach/attachments.ts';
import { createAttachCalls, statusOf } from './attach/calls.ts';
import { createSubnetEnv } from './attach/subnet-env.ts';
import { type NamespaceProbe, namespaceProbe } from './attach/target.ts';
import { type Clock, systemClock } from './clock.ts';
import type { AgentSettings } from './config.ts';
import { localEndpoints } from './endpoints.ts';
import { trackFailures } from './failures.ts';
import { hostSettings, leaveHost, seedOf } from './leave.ts';
import type { LocalHandlers } from './local/api.ts';
import { openMembership } from './membership.ts';
import { pingHost } from './ping.ts';
import type { Observed, ObservedWireguard } from './plan/observed.ts';
import type { HostSettings } from './plan/settings.ts';
import type { Step } from './plan/step.ts';
import { type Inputs, type Reached, startReconciler } from './reconcile.ts';
import { startRenewal } from './renew.ts';
import { createReporter, peerReports, trimReport } from './report.ts';
import { type HostFile, type State, notEnrolled } from './state.ts';
import { describeStatus } from './status.ts';
import { openStream } from './stream.ts';
import { type Backend, describeBackend } from './system/backend.ts';
import { watchKernel } from './system/monitor.ts';
import type { System } from './system/run.ts';
import { showInterface } from './system/wg.ts';
import type { ServerLink } from './transport.ts';

export interface AgentParts {
  readonly settings: AgentSettings;
  readonly system: System;
  readonly link: ServerLink;
  readonly clock?: Clock;
  readonly state: State;
  readonly log: Logger;
  readonly probe?: NamespaceProbe;
}

/** `reload`: the enrollment changed, start again. */
export type AgentEnd = 'stopped' | 'left' | 'reload';

export interface Agent {
  /** What commands on this host may ask. */
  readonly handlers: LocalHandlers;
  readonly ended: Promise<AgentEnd>;
  map(): NetworkMap | undefined;
  reached(): Reached;
  /** Resolves after a whole pass that began after the call. */
  settle(): Promise<Reached>;
  /** Leaves the kernel as it is. */
  stop(): Promise<void>;
}

/** Throws `not-enrolled` before the machine has joined. */
export async function startAgent(parts: AgentParts): Promise<Agent> {
  const { settings: agentSettings, system, link, state, clock = systemClock, probe = namespaceProbe } = parts;
  const host = await state.readHost();
  if (host === undefined || host.hostId === null) throw notEnrolled(state.directory);
  const selfId = host.hostId;
  const log = parts.log.child({ host: host.name });
  let settings = await hostSettings(agentSettings, host, state);
  const membership = openMembership({ selfId, saved: await readSavedMap(state, log), state, log, now: clock.now() });
  const attachments = await readAttachments(parts, clock, probe);
  const subnetEnv = createSubnetEnv(agentSettings.subnetEnvFile);
  let ownFailures: Failure[] = [];
  let lastReported = '';
  const backend = createBackendView(system);
  let end: (how: AgentEnd) => void = () => undefined;
  const ended = new Promise<AgentEnd>((resolve) => (end = resolve));

  const leases = (): readonly Cidr[] => membership.usable()?.hosts.find((one) => one.id === selfId)?.leases ?? [];
  const inputs = async (): Promise<Inputs | undefined> => {
    const map = membership.usable();
    if (map === undefined) return undefined;
    await attachments.refresh(leases());
    const serverAddress = link.path()?.server ?? literalServer(host);
    const known = serverAddress === undefined ? settings : { ...settings, serverAddress };
    return { map, cursor: membership.cursor(), settings: known, attachments: attachments.specs(leases()) };
  };
  const onReached = (reached: Reached): void => {
    backend.look(reached, settings, () => reportIfChanged());
    const self = membership.self();
    const map = membership.map();
    if (self !== undefined && map !== undefined && reached.desired !== undefined) {
      subnetEnv.write(self, map.mesh, reached.desired.mtu);
    }
    reportIfChanged();
  };
  const reconciler = startReconciler({
    system,
    clock,
    log,
    inputs,
    isInputChanged: () => attachments.refresh(leases()),
    onSteps: (steps) => keepSysctls(state, steps),
    onReached,
  });

  const failures = (): readonly Failure[] => {
    ownFailures = trackFailures(ownFailures, [...membership.faults(), ...subnetEnv.faults()], clock.now());
    return [...reconciler.reached().failures, ...ownFailures];
  };
  const attachmentReports = (): ReportBody['attachments'] =>
    attachments.list().map((one) => {
      const { target, addresses, state: attached } = statusOf(one, leases());
      return { target, addresses, state: attached };
    });
  const collect = (): ReportBody | undefined => {
    const { observed, applied } = reconciler.reached();
    const map = membership.map();
    if (stream.connection().kind !== 'connected') return undefined;
    const { kind, version: backendVersion } = backend.seen();
    return trimReport({
      applied: applied ?? null,
      listenPort: settings.listenPort,
      declaredEndpoints: host.declaredEndpoints,
      localEndpoints: localEndpoints(observed?.links.values() ?? [], {
        own: new Set([settings.interfaceName, settings.bridgeName]),
        pools: map === undefined ? [] : [...map.mesh.overlayPools, ...map.mesh.containerPools],
        listenPort: settings.listenPort,
        preferred: link.path()?.local,
      }),
      peers: map === undefined ? [] : peerReports(map, selfId, reconciler.wireguard()),
      failures: [...failures()],
      attachments: attachmentReports(),
      backend: { kind, version: backendVersion },
      agentVersion: version,
    });
  };
  /** Counters change all the time; only what somebody waits for is worth a report of its own. */
  const reportIfChanged = (): void => {
    const body = collect();
    if (body === undefined) return;
    const worth = JSON.stringify({ ...body, peers: [], agentVersion: '' });
    if (worth === lastReported) return;
    lastReported = worth;
    reporter.changed();
  };

  const onRefused = (error: WarrenError): void => {
    if (membership.refuse(error)) {
      log.warn({ code: error.code, why: error.message }, 'cut off by the server');
      reconciler.wake();
    }
    if (error.code === 'certificate-invalid') renewal.renewSoon();
  };
  const onStanding = (standing: Standing): void => {
    const before = membership.state();
    membership.stand(standing);
    reporter.setInterval(standing.reportSeconds);
    if (standing.state !== before) {
      log.info({ state: standing.state }, standing.state === 'pending' ? 'waiting for approval' : 'standing');
      reconciler.wake();
    }
    if (standing.isRotationDue) renewal.rotate();
    lastReported = '';
    reportIfChanged();
  };
  const onMap = (map: NetworkMap): void => {
    membership.take(map, clock.now());
    log.debug({ revision: map.revision, hosts: map.hosts.length }, 'map received');
    const self = membership.self();
    if (self !== undefined && self.publicKey !== settings.publicKey) renewal.noticeSelf(self);
    reconciler.wake();
  };

  const stream = openStream({ link, clock, log, map: membership.map(), onMap, onStanding, onRefused });
  const reporter = createReporter({
    link,
    clock,
    log,
    collect,
    hostCount: () => membership.map()?.hosts.length ?? 0,
    onRefused,
  });
  const renewal = startRenewal({
    link,
    clock,
    log,
    state,
    name: host.name,
    onNewKey: async () => {
      settings = await hostSettings(agentSettings, host, state);
      reconciler.look();
    },
    onNewCertificate: () => stream.nudge(),
  });
  const kernel = watchKernel(system, settings, () => reconciler.look());
  reconciler.wake();

  const stop = async (how: AgentEnd = 'stopped'): Promise<void> => {
    kernel.stop();
    reporter.stop();
    await Promise.all([stream.stop(), renewal.stop(), reconciler.stop()]);
    await Promise.all([membership.saved(), subnetEnv.idle()]);
    link.close();
    end(how);
  };
  /** Asked of the kernel now, where the interface is there to ask. */
  const freshWireguard = async (): Promise<ObservedWireguard | undefined> =>
    reconciler.wireguard() === undefined ? undefined : showInterface(system, settings.interfaceName);
  const calls = createAttachCalls(attachments, reconciler, leases);
  const handlers: LocalHandlers = {
    status: async () => {
      const { applied, desired } = reconciler.reached();
      const { isSlow, ...seen } = backend.seen();
      const map = membership.map();
      return describeStatus({
        now: clock.now(),
        agent: agentSettings,
        host,
        settings,
        map,
        applied,
        mtu: desired?.mtu,
        state: membership.state(),
        connection: stream.connection(),
        backend: { ...seen, note: isSlow ? slowNote : null },
        wireguard: await freshWireguard(),
        firstSeenAt: membership.firstSeenAt(),
        certificateExpiresAt: renewal.expiresAt(),
        attachments: attachmentReports(),
        failures: failures(),
      });
    },
    attach: (body) => calls.attach(body.target, body.interface),
    detach: async (body) => {
      await calls.detach(body.target);
      return {};
    },
    attachments: async () => ({ items: calls.list() }),
    ping: async (body) => {
      const map = membership.map();
      if (map === undefined) throw new WarrenError('not-found', 'no network map came yet; see warren status');
      return pingHost({ system, map, selfId, wireguard: freshWireguard }, body.host, body.count);
    },
    leave: async ({ isPurge }) => {
      kernel.stop();
      reporter.stop();
      await Promise.all([stream.stop(), renewal.stop(), reconciler.stop(), membership.saved()]);
      const { subnetEnvFile } = agentSettings;
      const left = await leaveHost({ system, state, link, settings, subnetEnvFile, isPurge });
      link.close();
      end('left');
      return left;
    },
    reload: async () => {
      // Answered first: the socket stays, the agent behind it is another one.
      setImmediate(() => void stop('reload'));
      return {};
    },
  };
  return {
    handlers,
    ended,
    map: () => membership.map(),
    reached: () => reconciler.reached(),
    settle: () => reconciler.settle(),
    stop: () => stop(),
  };
}

const slowNote =
  'this wireguard-go is from before 2023 and 4 to 5 times slower than later ones; install that of bookworm-backports, then delete the interface once';

/** Which backend carries the tunnel; asked again only when the interface is another one. */
function createBackendView(system: System) {
  let seen: Backend = { kind: 'none', version: '', isSlow: false };
  let asked = '';
  const ask = async (settings: HostSettings, observed: Observed, onChange: () => void): Promise<void> => {
    try {
      seen = await describeBackend(system, settings, observed);
      onChange();
    } catch {
      // Only its version is unknown; the next pass asks again.
      asked = '';
    }
  };
  return {
    seen: (): Backend => seen,
    look: ({ observed }: Reached, settings: HostSettings, onChange: () => void): void => {
      const link = observed?.links.get(settings.interfaceName);
      const key = `${link?.kind}/${link?.index}/${observed?.wireguard === undefined}`;
      if (observed === undefined || key === asked) return;
      asked = key;
      void ask(settings, observed, onChange);
    },
  };
}

async function keepSysctls(state: State, steps: readonly Step[]): Promise<void> {
  const before = steps.flatMap((step) => (step.kind === 'sysctl-set' ? [[step.path, step.previous] as const] : []));
  if (before.length > 0) await state.keepSysctls(Object.fromEntries(before));
}

/** A saved map that cannot be read is no reason not to start: a full one is asked for. */
async function readSavedMap(state: State, log: Logger): Promise<NetworkMap | undefined> {
  try {
    return await state.readMap();
  } catch (error) {
    log.error({ why: asWarrenError(error).message }, 'saved map ignored');
    return undefined;
  }
}

async function readAttachments(
  { settings, state, log }: AgentParts,
  clock: Clock,
  probe: NamespaceProbe,
): Promise<Attachments> {
  const seed = seedOf(settings);
  const save = (json: string): Promise<void> => state.writeAttachments(json);
  try {
    return openAttachments({ clock, probe, seed, saved: await state.readAttachments(), save });
  } catch (error) {
    log.error({ why: asWarrenError(error).message }, 'saved attachments ignored');
    return openAttachments({ clock, probe, seed, saved: undefined, save });
  }
}

function literalServer(host: HostFile) {
  const name = new URL(host.serverUrl).hostname.replace(/^\[|\]$/g, '');
  return isAddress(name) ? name : undefined;
}
