/** What all parts of one running agent share: what it was given, and what it read from its state when it started. */
import type { Logger } from 'pino';
import { WarrenError } from '../../shared/errors.ts';
import type { HostId } from '../../shared/names.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import { type Attachments, type Ground, openAttachments } from '../attach/attachments.ts';
import { attachmentId } from '../attach/spec.ts';
import { type ContainerProbe, createContainerProbe } from '../attach/containers.ts';
import { type Slots, createSlots } from '../attach/slots.ts';
import { type SubnetEnv, createSubnetEnv } from '../attach/subnet-env.ts';
import { type NamespaceProbe, namespaceProbe } from '../attach/target.ts';
import { type DhcpClients, createDhcpClients } from '../dhcp/clients.ts';
import { type CniBook, openCniBook } from '../cni/book.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type MemberBook, openMembers } from '../bridged/book.ts';
import { type AgentSettings, seedOf } from '../config.ts';
import { type ChoiceBook, openChoices } from '../docker/choices.ts';
import type { ResolvedContainer } from '../docker/room.ts';
import { type Beside, createBeside } from '../beside.ts';
import { hostSettings } from '../leave.ts';
import { type LockBook, type LockShelf, openLockBook } from '../lock/book.ts';
import { type Membership, openMembership } from '../membership.ts';
import { type StaticNames, openStaticNames } from '../names/static.ts';
import { type WorkloadBook, createWorkloadBook } from '../names/workloads.ts';
import { bridgedSegment } from '../plan/bridged.ts';
import type { HostSettings } from '../plan/settings.ts';
import { type PluginBook, openPluginBook, slotsInUse } from '../plugin/book.ts';
import type { Channel } from '../probe/channel.ts';
import type { PskBook } from '../psk/book.ts';
import type { openProbeSocket } from '../probe/socket.ts';
import { type HostFile, type State, notEnrolled } from '../state.ts';
import type { System } from '../system/run.ts';
import type { ServerLink } from '../transport.ts';
import { type BackendView, createBackendView } from './backend-view.ts';
import { type PortFinder, createPortFinder } from './ports.ts';
import { openProbes, probeKeys } from './probes.ts';
import { openPsk } from './psk.ts';
import { openSaved, readSavedMap } from './saved.ts';

export interface AgentParts {
  readonly settings: AgentSettings;
  readonly system: System;
  readonly link: ServerLink;
  readonly clock?: Clock;
  readonly state: State;
  readonly log: Logger;
  readonly probe?: NamespaceProbe;
  /** For probes on WireGuard's port; without it the agent asks none. */
  readonly openSocket?: typeof openProbeSocket;
}

export interface Context {
  readonly agent: AgentSettings;
  readonly system: System;
  readonly link: ServerLink;
  readonly clock: Clock;
  readonly state: State;
  readonly log: Logger;
  readonly host: HostFile;
  readonly selfId: HostId;
  readonly membership: Membership;
  readonly lock: LockBook;
  readonly attachments: Attachments;
  /** Who of this host is in bridged segments. */
  readonly members: MemberBook;
  /** Looks at what is attached; asks the engine where its containers are. */
  readonly probe: ContainerProbe;
  /** Of attachments that get their address by DHCP. */
  readonly dhcp: DhcpClients;
  readonly ground: () => Ground;
  /** Where the engine answers, once there is a room for it. */
  readonly containers: ContainerPort;
  readonly workloads: WorkloadBook;
  /** Names added by hand on this host. */
  readonly statics: StaticNames;
  /** Engine networks that joined the mesh by command. */
  readonly choices: ChoiceBook;
  /** Which slots of the lease are in use, whoever uses them. */
  readonly slots: Slots;
  /** What the container engine got from its drivers here. */
  readonly plugin: PluginBook;
  /** What container runtimes asked for by CNI. */
  readonly cni: CniBook;
  /** Which ports lead to the engine's containers. */
  readonly ports: PortFinder;
  readonly subnetEnv: SubnetEnv;
  readonly backend: BackendView;
  /** What runs on this host and is told of the mesh. */
  readonly beside: Beside;
  /** Preshared keys agreed on with peers; undefined where they are off. */
  readonly psk: PskBook | undefined;
  /** What only this host and a peer know, for their preshared key. */
  readonly mixKey: (peer: PublicKey) => Buffer | undefined;
  /** Undefined where this agent asks no probes. */
  readonly channel: Channel | undefined;
  /** This host's leases by the map that may be used. */
  readonly leases: () => readonly Cidr[];
  readonly settings: () => HostSettings;
  /** The WireGuard key's file is another one. */
  readSettings(): Promise<void>;
}

export interface ContainerPort {
  resolve: (container: string) => Promise<ResolvedContainer>;
}

/** Throws `not-enrolled` before the machine has joined. */
export async function openContext(parts: AgentParts): Promise<Context> {
  const { settings: agent, system, link, state, clock = systemClock } = parts;
  const host = await state.readHost();
  if (host === undefined || host.hostId === null) throw notEnrolled(state.directory);
  const selfId = host.hostId;
  const log = parts.log.child({ host: host.name });
  let settings = await hostSettings(agent, host, state);
  let keys = await probeKeys(state);
  const lock = await openLockBook(shelfOf(state), selfId, log);
  const saved = await readSavedMap(state, log);
  if (saved !== undefined) lock.told(saved.mesh.lock);
  const membership = openMembership({ selfId, saved, state, lock, log, clock });
  const leases = (): readonly Cidr[] => membership.usable()?.hosts.find((one) => one.id === selfId)?.leases ?? [];
  const dhcp = createDhcpClients({ system, runDir: agent.runDir, stateDir: state.directory });
  const ground = (): Ground => ({
    leases: leases(),
    dhcpLease: (one) => dhcp.leaseOf(attachmentId(one, seedOf(agent))),
    isBridged: (name) => bridgedSegment(membership.usable()?.mesh.segments ?? [], name) !== undefined,
  });
  const containers: ContainerPort = { resolve: () => Promise.reject(new WarrenError('unreachable', 'no engine yet')) };
  const probe = createContainerProbe(parts.probe ?? namespaceProbe, (container) => containers.resolve(container));
  const psk = await openPsk(agent.isPskWanted, system, state, settings);
  const slots = createSlots();
  const plugin = await openSaved(
    log,
    'saved book of the drivers',
    () => state.readPlugin(),
    (saved) => openPluginBook(saved, (json) => state.writePlugin(json)),
  );
  slots.addBook(() => slotsInUse(plugin.read(), leases()));
  return {
    agent,
    system,
    link,
    clock,
    state,
    log,
    host,
    selfId,
    membership,
    lock,
    members: await openSaved(
      log,
      'saved members of bridged segments',
      () => state.readMembers(),
      (saved) => openMembers({ saved, clock, probe, seed: seedOf(agent), save: (json) => state.writeMembers(json) }),
    ),
    attachments: await openSaved(
      log,
      'saved attachments',
      () => state.readAttachments(),
      (saved) => openAttachments({ saved, clock, probe, slots, ground, save: (json) => state.writeAttachments(json) }),
    ),
    probe,
    dhcp,
    ground,
    containers,
    workloads: createWorkloadBook(),
    statics: await openSaved(
      log,
      'saved names',
      () => state.readNames(),
      (saved) => openStaticNames(saved, (json) => state.writeNames(json)),
    ),
    choices: await openSaved(
      log,
      'saved engine networks',
      () => state.readDocker(),
      (saved) => openChoices(saved, (json) => state.writeDocker(json)),
    ),
    slots,
    plugin,
    cni: await openSaved(
      log,
      'saved CNI interfaces',
      () => state.readCni(),
      (saved) =>
        openCniBook({ saved, slots, leases, probe, seed: seedOf(agent), save: (json) => state.writeCni(json) }),
    ),
    ports: createPortFinder(system, clock),
    subnetEnv: createSubnetEnv(agent.subnetEnvFile),
    backend: createBackendView(system),
    beside: createBeside(system),
    psk,
    mixKey: (peer) => keys.mixKey(peer),
    channel: await openProbes(parts.openSocket, log, () => keys, settings),
    leases,
    settings: () => settings,
    readSettings: async () => {
      settings = await hostSettings(agent, host, state);
      keys = await probeKeys(state);
      await psk?.begin(settings.publicKey);
    },
  };
}

const shelfOf = (state: State): LockShelf => ({
  readRoot: () => state.readLockRoot(),
  writeRoot: (root) => state.writeLockRoot(root),
  readLog: () => state.readLockLog(),
  writeLog: (json) => state.writeLockLog(json),
});
