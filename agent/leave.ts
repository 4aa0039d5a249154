/**
 * Takes this host out of the mesh: tells the server, takes away everything Warren made, forgets the enrollment. Each part
 * is done even where the one before it could not be, and doing it again after a crash finishes it.
 */
import { asWarrenError } from '../shared/errors.ts';
import { systemClock } from './clock.ts';
import { startHooks } from './hooks/room.ts';
import { removeAll } from './apply.ts';
import type { AgentSettings } from './config.ts';
import { stopAllClients } from './dhcp/clients.ts';
import { leaveEngine } from './docker/leave.ts';
import { removeDurably } from './durable.ts';
import type { Left } from './local/api.ts';
import type { HostSettings } from './plan/settings.ts';
import { endStandIn } from './plugin/end-stand-in.ts';
import { releaseAttachments } from './release.ts';
import { type HostFile, type State, notEnrolled } from './state.ts';
import type { System } from './system/run.ts';
import { keepCa } from './server-ca.ts';
import { type ServerLink, createLink } from './transport.ts';

export interface Leaving {
  readonly system: System;
  readonly state: State;
  readonly link: ServerLink;
  readonly settings: HostSettings;
  readonly subnetEnvFile: string;
  readonly dockerSocket: string | undefined;
  readonly isPurge: boolean;
}

export async function leaveHost(leaving: Leaving): Promise<Left> {
  const { system, state, link, settings, isPurge } = leaving;
  const untold = await tellServer(link, settings.selfId);
  const kept = await leaveEngine(leaving.dockerSocket, settings.selfId);
  const { notes } = await removeAll(system, settings, await state.readSysctls());
  await removeDurably(leaving.subnetEnvFile);
  await (isPurge ? state.purge() : state.forget());
  return {
    hostId: settings.selfId,
    isServerTold: untold.length === 0,
    isPurged: isPurge,
    notes: [...untold, ...kept, ...notes],
  };
}

/** The same without a running agent. Throws `not-enrolled` where there is nothing to leave. */
export async function leaveWithoutAgent(
  agent: AgentSettings,
  system: System,
  state: State,
  isPurge: boolean,
): Promise<Left> {
  await endStandIn(agent);
  const host = await state.readHost().catch((error: unknown) => {
    if (isPurge) return undefined;
    throw error;
  });
  if (host?.hostId === undefined || host.hostId === null) {
    if (!isPurge && host === undefined) throw notEnrolled(state.directory);
    await (isPurge ? state.purge() : state.forget());
    return { hostId: null, isServerTold: true, isPurged: isPurge, notes: [] };
  }
  const settings = await hostSettings(agent, host, state);
  await stopAllClients(agent.runDir);
  const stay = await releaseAttachments(agent, system, settings, state);
  const uncalled = await callDownHooks(agent, system, host.name);
  const link = createLink(
    host.serverUrl,
    () => state.readCredentials(),
    (pem) => keepCa(state, pem),
  );
  try {
    const { subnetEnvFile, dockerSocket } = agent;
    const left = await leaveHost({ system, state, link, settings, subnetEnvFile, dockerSocket, isPurge });
    return { ...left, notes: [...stay, ...uncalled, ...left.notes] };
  } finally {
    link.close();
  }
}

/** What the agent told of before it stopped is told to be gone; answers what could not be. */
async function callDownHooks(agent: AgentSettings, system: System, hostName: string): Promise<string[]> {
  const { hooksDir: dir, runDir, instance, interfaceName, bridgeName } = agent;
  const hooks = startHooks({
    dir,
    runDir,
    system,
    clock: systemClock,
    place: () => ({ instance, hostName, interfaceName, bridgeName }),
    reach: () => undefined,
    onChange: () => undefined,
  });
  await hooks.end();
  return hooks.faults().map(({ subject, why }) => `hook ${subject}: ${why}`);
}

/** Everything the kernel side must know of this instance, but for what the connection tells. */
export async function hostSettings(agent: AgentSettings, host: HostFile, state: State): Promise<HostSettings> {
  if (host.hostId === null) throw notEnrolled(state.directory);
  const { publicKey } = await state.wireguardKeys();
  return {
    interfaceName: agent.interfaceName,
    bridgeName: agent.bridgeName,
    tableName: agent.tableName,
    listenPort: agent.listenPort ?? host.listenPort,
    privateKeyFile: state.wireguardKeyFile,
    publicKey,
    selfId: host.hostId,
    ...(agent.firewalldFolder === undefined ? {} : { firewalldFolder: agent.firewalldFolder }),
    ...(agent.resolvedFolder === undefined ? {} : { resolvedFolder: agent.resolvedFolder }),
    ...(agent.wireguardGo === undefined ? {} : { wireguardGo: agent.wireguardGo }),
  };
}

async function tellServer(link: ServerLink, hostId: string): Promise<string[]> {
  try {
    await link.leave();
    return [];
  } catch (error) {
    const { code, message } = asWarrenError(error);
    if (code === 'host-removed') return [];
    return [`the server was not told (${message}); remove the host there with 'warren host rm ${hostId}'`];
  }
}
