/**
 * Where an agent instance lives and how it behaves: flag, then environment, then `/etc/warren/<instance>.yaml`, then
 * default. Everything that is wrong is told at once, with the line of the file or the name of the variable.
 */
import { WarrenError } from '../shared/errors.ts';
import { type InstanceName, type InterfaceName, parseInstanceName, parseInterfaceName } from '../shared/names.ts';
import { type Key, type LogLevel, type Values, dockerSchema, variables } from './config/keys.ts';
import { optionName, readFileValues, readTexts } from './config/read.ts';
import type { ListenAt } from './fallback/listen-at.ts';
import { type PortRange, defaultPorts } from './relay/ports.ts';

export interface AgentSettings {
  readonly instance: InstanceName;
  readonly stateDir: string;
  readonly runDir: string;
  readonly interfaceName: InterfaceName;
  readonly bridgeName: InterfaceName;
  /** Name of the nft table, in family inet. */
  readonly tableName: string;
  /** Undefined: what `warren join` chose. */
  readonly listenPort: number | undefined;
  readonly logLevel: LogLevel;
  /** Where flannel's hand-off file is written. */
  readonly subnetEnvFile: string;
  /** False: no name server. */
  readonly isDnsServed: boolean;
  /** Where the host's own name servers are listed. */
  readonly resolvConfFile: string;
  /** There where firewalld is installed; undefined: it is told nothing. */
  readonly firewalldFolder: string | undefined;
  /** Where systemd-resolved keeps its files while it runs; undefined: it is told nothing. */
  readonly resolvedFolder: string | undefined;
  /** The container engine's socket; undefined: none is looked for. It may come later. */
  readonly dockerSocket: string | undefined;
  /** What Warren's network is called there. */
  readonly dockerNetwork: string;
  /** Where Docker finds its network and IPAM driver; undefined: none is served. */
  readonly pluginSocket: string | undefined;
  /** A wireguard-go to use where the kernel has no WireGuard; undefined: the newest that is found. */
  readonly wireguardGo: string | undefined;
  /** Where pairs of hosts send to while this host is a relay. */
  readonly relayPorts: PortRange;
  /** Where this host, as a relay, takes in hosts that no UDP packet reaches; undefined: it does not. */
  readonly relayTls: ListenAt | undefined;
  /** Preshared keys are agreed on with peers whose agents do so, too. */
  readonly isPskWanted: boolean;
  /** How long one is used. */
  readonly pskRenewMs: number;
  /** Where the operator's hooks are. */
  readonly hooksDir: string;
  /** True when systemd waits to be told that the agent is up (Type=notify). */
  readonly isNotifyWanted: boolean;
}

/** Two instances on one machine must not give their veths the same names. */
export const seedOf = (agent: AgentSettings): string => `${agent.instance}/${agent.bridgeName}`;

export interface ConfigSources {
  /** Values of command line options, unparsed; `config` names the file. */
  readonly flags?: Partial<Record<Key | 'config', string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Throws `config-invalid` with every problem, or `usage-invalid` when only the flags are wrong. */
export function loadSettings({ flags = {}, env }: ConfigSources): AgentSettings {
  const problems: string[] = [];
  const given = readTexts((key) => flags[key], optionName, problems);
  const fromEnv = readTexts(
    (key) => env[variables[key]],
    (key) => variables[key],
    problems,
  );
  const instance = given.instance ?? fromEnv.instance ?? parseInstanceName('default');
  const named = flags.config ?? env['WARREN_CONFIG'];
  const fromFile = readFileValues(named ?? `/etc/warren/${instance}.yaml`, named !== undefined, problems);
  if (fromFile.instance !== undefined && fromFile.instance !== instance) {
    problems.push(`the file is for instance '${fromFile.instance}', but '${instance}' is asked for; give --instance`);
  }
  if (problems.length > 0) throw new WarrenError('config-invalid', problems.join('; '));
  const isNotifyWanted = (env['NOTIFY_SOCKET'] ?? '') !== '';
  return { ...withDefaults(instance, { ...fromFile, ...fromEnv, ...given }, env['DOCKER_HOST']), isNotifyWanted };
}

function withDefaults(
  instance: InstanceName,
  values: Values,
  dockerHost: string | undefined,
): Omit<AgentSettings, 'isNotifyWanted'> {
  const isDefault = instance === 'default';
  const runDir = values.runDir ?? `/run/warren/${instance}`;
  return {
    instance,
    stateDir: values.stateDir ?? `/var/lib/warren/${instance}`,
    runDir,
    interfaceName: values.interface ?? parseInterfaceName(isDefault ? 'warren0' : `wr-${instance}`),
    bridgeName: values.bridge ?? parseInterfaceName(isDefault ? 'warren-br' : `wrb-${instance}`),
    tableName: isDefault ? 'warren' : `warren-${instance}`,
    listenPort: values.listenPort,
    logLevel: values.logLevel ?? 'info',
    subnetEnvFile: values.subnetEnv ?? `${runDir}/subnet.env`,
    wireguardGo: values.wireguardGo,
    isDnsServed: values.dns !== 'off',
    resolvConfFile: values.resolvConf ?? '/etc/resolv.conf',
    firewalldFolder: folderOf(values.firewalld, '/usr/lib/firewalld'),
    resolvedFolder: folderOf(values.resolved, '/run/systemd/resolve'),
    dockerSocket: dockerSocketOf(values.docker, dockerHost),
    dockerNetwork: values.dockerNetwork ?? (isDefault ? 'warren' : `warren-${instance}`),
    pluginSocket: pluginSocketOf(instance, values.pluginSocket),
    relayPorts: values.relayPorts ?? defaultPorts,
    relayTls: values.relayTls === 'off' ? undefined : values.relayTls,
    isPskWanted: values.psk !== 'off',
    pskRenewMs: values.pskRenewal ?? 24 * 3600_000,
    hooksDir: values.hooksDir ?? `/etc/warren/${instance}.hooks`,
  };
}

function folderOf(given: string | undefined, usual: string): string | undefined {
  if (given === 'off') return undefined;
  return given === undefined || given === 'auto' ? usual : given;
}

/**
 * Where Docker's own client would look, as long as that is a socket of this host; where /var/run is a link to /run, as
 * nearly everywhere, the usual one is systemd's /run/docker.sock as well.
 */
function dockerSocketOf(given: string | undefined, dockerHost: string | undefined): string | undefined {
  if (given === 'off') return undefined;
  if (given !== undefined && given !== 'auto') return given.slice('unix://'.length);
  const isSocket = dockerSchema.safeParse(dockerHost).success && dockerHost?.startsWith('unix://') === true;
  return isSocket ? dockerHost.slice('unix://'.length) : '/var/run/docker.sock';
}

/** Docker calls a driver by the name of its socket, so the default one names the instance. */
function pluginSocketOf(instance: InstanceName, given: string | undefined): string | undefined {
  if (given !== undefined) return given === 'off' ? undefined : given;
  return `/run/docker/plugins/${instance === 'default' ? 'warren' : `warren-${instance}`}.sock`;
}
