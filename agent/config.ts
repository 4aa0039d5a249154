/**
 * Where an agent instance lives and how it behaves: flag, then environment, then `/etc/warren/<instance>.yaml`, then
 * default. Everything that is wrong is told at once, with the line of the file or the name of the variable.
 */
import { readFileSync } from 'node:fs';
import { LineCounter, isMap, isScalar, parseDocument } from 'yaml';
import { z } from 'zod';
import { WarrenError } from '../shared/errors.ts';
import {
  type InstanceName,
  type InterfaceName,
  instanceNameSchema,
  interfaceNameSchema,
  parseInstanceName,
  parseInterfaceName,
} from '../shared/names.ts';
import { listenPortSchema } from '../shared/api/report.ts';
import { isMissing } from './durable.ts';
import { type ListenAt, readListenAt } from './fallback/listen-at.ts';
import { type PortRange, defaultPorts, readPorts } from './relay/ports.ts';

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

const logLevelSchema = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']);
type LogLevel = z.infer<typeof logLevelSchema>;

const pathSchema = z
  .string()
  .max(4096)
  .regex(/^\/[^\0]*$/, { error: 'give an absolute path' });

const offOrPathSchema = z
  .string()
  .max(4096)
  .regex(/^(?:off|\/[^\0]*)$/, { error: "give an absolute path, or 'off'" });

const dockerSchema = z.union([z.enum(['auto', 'off']), z.string().regex(/^unix:\/\/\/[^\0]{1,100}$/)], {
  error: 'give auto, off or unix:///path/of/docker.sock',
});

/** Docker's own grammar of names. */
const networkNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, { error: "use 1 to 64 letters, digits, '_', '.' and '-'" });

/** `first-last`: two ports for each pair. */
const relayPortsSchema = z
  .string()
  .regex(/^[1-9]\d{3,4}-[1-9]\d{3,4}$/, { error: 'write it like 51900-52923, with ports from 1024 on' })
  .transform(readPorts)
  .refine(({ first, last }) => first >= 1024 && last <= 65_535 && last > first && last - first < 8192, {
    error: 'give 2 to 8192 ports between 1024 and 65535, the lower one first',
  });

/** An address of this host, or all of them. */
const relayTlsSchema = z
  .string()
  .max(64)
  .transform((text) => (text === 'off' ? text : readListenAt(text)))
  .refine((at) => at !== undefined, { error: "write it like 0.0.0.0:443 or [::]:443, or 'off'" });
const milliseconds = { s: 1000, m: 60_000, h: 3600_000, d: 24 * 3600_000 } as const;

/** A number and its unit. */
const durationSchema = z
  .string()
  .regex(/^[1-9]\d{0,3}[smhd]$/, { error: 'write it like 30m, 24h or 7d' })
  .transform((text) => Number(text.slice(0, -1)) * milliseconds[text.slice(-1) as keyof typeof milliseconds]);

const keySchemas = {
  instance: instanceNameSchema,
  stateDir: pathSchema,
  runDir: pathSchema,
  interface: interfaceNameSchema,
  bridge: interfaceNameSchema,
  listenPort: listenPortSchema,
  logLevel: logLevelSchema,
  subnetEnv: pathSchema,
  wireguardGo: pathSchema,
  dns: z.enum(['on', 'off']),
  resolvConf: pathSchema,
  firewalld: z.union([z.enum(['auto', 'off']), pathSchema], { error: 'give auto, off or the folder of firewalld' }),
  resolved: z.union([z.enum(['auto', 'off']), pathSchema], {
    error: 'give auto, off or the folder of systemd-resolved',
  }),
  docker: dockerSchema,
  dockerNetwork: networkNameSchema,
  pluginSocket: offOrPathSchema,
  relayPorts: relayPortsSchema,
  relayTls: relayTlsSchema,
  psk: z.enum(['on', 'off']),
  pskRenewal: durationSchema,
  hooksDir: pathSchema,
} as const;
type Key = keyof typeof keySchemas;
type Values = { -readonly [K in Key]?: z.infer<(typeof keySchemas)[K]> | undefined };

const variables: Readonly<Record<Key, string>> = {
  instance: 'WARREN_INSTANCE',
  stateDir: 'WARREN_STATE_DIR',
  runDir: 'WARREN_RUN_DIR',
  interface: 'WARREN_INTERFACE',
  bridge: 'WARREN_BRIDGE',
  listenPort: 'WARREN_LISTEN_PORT',
  logLevel: 'WARREN_LOG_LEVEL',
  subnetEnv: 'WARREN_SUBNET_ENV',
  wireguardGo: 'WARREN_WIREGUARD_GO',
  dns: 'WARREN_DNS',
  resolvConf: 'WARREN_RESOLV_CONF',
  firewalld: 'WARREN_FIREWALLD',
  resolved: 'WARREN_RESOLVED',
  docker: 'WARREN_DOCKER',
  dockerNetwork: 'WARREN_DOCKER_NETWORK',
  pluginSocket: 'WARREN_PLUGIN_SOCKET',
  relayPorts: 'WARREN_RELAY_PORTS',
  relayTls: 'WARREN_RELAY_TLS',
  psk: 'WARREN_PSK',
  pskRenewal: 'WARREN_PSK_RENEWAL',
  hooksDir: 'WARREN_HOOKS_DIR',
};

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

const optionName = (key: Key): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Options and variables: everything is text, numbers are decimal. An empty text counts as not given. */
function readTexts(source: (key: Key) => string | undefined, name: (key: Key) => string, problems: string[]): Values {
  const found: [Key, unknown][] = [];
  for (const key of Object.keys(keySchemas) as Key[]) {
    const text = source(key);
    if (text === undefined || text === '') continue;
    const value = key === 'listenPort' && /^[1-9]\d{0,4}$/.test(text) ? Number(text) : text;
    const parsed = keySchemas[key].safeParse(value);
    if (parsed.success) found.push([key, parsed.data]);
    else problems.push(`${name(key)}: ${parsed.error.issues[0]?.message ?? 'not valid'}`);
  }
  return Object.fromEntries(found) as Values;
}

function readFileValues(path: string, isRequired: boolean, problems: string[]): Values {
  const text = readConfigFile(path, isRequired, problems);
  if (text === undefined) return {};
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  for (const error of document.errors)
    problems.push(`${path}:${error.linePos?.[0].line ?? 1}: ${error.message.split('\n')[0] ?? ''}`);
  if (document.errors.length > 0 || document.contents === null) return {};
  if (!isMap(document.contents)) {
    problems.push(`${path}:1: write 'key: value' lines`);
    return {};
  }
  const found: [string, unknown][] = [];
  for (const { key, value } of document.contents.items) {
    const at = `${path}:${lines.linePos(isScalar(key) ? (key.range?.[0] ?? 0) : 0).line}`;
    const name = isScalar(key) ? String(key.value) : '';
    if (!isKey(name)) {
      problems.push(`${at}: unknown key '${name.slice(0, 64)}'; known are ${Object.keys(keySchemas).join(', ')}`);
      continue;
    }
    const parsed = keySchemas[name].safeParse(isScalar(value) ? value.value : undefined);
    if (parsed.success) found.push([name, parsed.data]);
    else problems.push(`${at}: ${name}: ${parsed.error.issues[0]?.message ?? 'not valid'}`);
  }
  return Object.fromEntries(found) as Values;
}

const isKey = (name: string): name is Key => Object.hasOwn(keySchemas, name);

function readConfigFile(path: string, isRequired: boolean, problems: string[]): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error) && !isRequired) return undefined;
    problems.push(`${path}: cannot be read (${error instanceof Error ? error.message : String(error)})`);
    return undefined;
  }
}
