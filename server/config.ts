/**
 * The server's configuration: flag over environment over YAML file over default, checked once at the edge. The only
 * place of the server that knows where a setting came from. Every problem is reported at once, with the line of the
 * file it stands in.
 */
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { WarrenError } from '../shared/errors.ts';
import type { Recipient } from './backups/keys.ts';
import type { Cidr } from '../shared/net/cidr.ts';
import { type DomainName, parseDomainName } from '../shared/workload.ts';
import { type FieldName, type LogLevel, type ServerFields, type SocketAddress, fields } from './config/fields.ts';
import { type YamlEntry, readYaml } from './config/yaml.ts';
import { packageRoot } from './package-root.ts';

export type { LogLevel, SocketAddress } from './config/fields.ts';

export interface ServerConfig {
  readonly listen: SocketAddress;
  /** Origin by which agents and people reach the server, `https://host:port`. */
  readonly url: string;
  readonly stateDir: string;
  /** Undefined: no metrics listener. */
  readonly metricsListen: SocketAddress | undefined;
  /** True where nobody configured it: then a server without metrics is better than none. */
  readonly isMetricsDefault?: boolean;
  /**
   * Where hosts ask by UDP what they look like from outside; `on` is at the port of `listen`. Absent where nobody
   * configured it: `on`, and then a server without reflector is better than none.
   */
  readonly reflector?: SocketAddress | 'on' | 'off';
  readonly logLevel: LogLevel;
  /** Used at the first start only; later pools are the store's. */
  readonly overlayPool: Cidr;
  readonly containerPool: Cidr;
  /** Bytes. */
  readonly mtu: number;
  readonly keepaliveSeconds: number;
  /** The DNS zone of the mesh. */
  readonly domain: DomainName;
  /** Directory of the executables served under `/dist/`; by default where `npm run build:agent` puts them. */
  readonly distDir: string;
  /** Undefined: no backups by the clock. */
  readonly backups?: BackupSettings;
}

export interface BackupSettings {
  readonly directory: string;
  readonly everyMinutes: number;
  /** How many of the newest stay, at least 1. */
  readonly keep: number;
  /** Keys they are sealed to; none: they are open. */
  readonly recipients: readonly Recipient[];
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the command line gave, as text, by field name; `config` names the file. */
export type ServerFlags = Readonly<Partial<Record<FieldName | 'config', string | undefined>>>;

export const defaultConfigFile = '/etc/warren/server.yaml';

export interface ConfigSources {
  readonly flags: ServerFlags;
  readonly env: Environment;
}

/** Throws `config-invalid`; its message holds one line per problem. */
export async function loadServerConfig({ flags, env }: ConfigSources): Promise<ServerConfig> {
  const problems: string[] = [];
  const file = flags.config ?? env['WARREN_CONFIG'];
  const entries = await readConfigFile(file, problems);
  const values = readFields(flags, env, entries, problems);
  if (problems.length > 0) throw new WarrenError('config-invalid', problems.join('\n'));
  return complete(values);
}

/** The default file may be absent; a file that was named must be there. */
async function readConfigFile(file: string | undefined, problems: string[]): Promise<Map<string, YamlEntry>> {
  const path = file ?? defaultConfigFile;
  try {
    return readYaml(path, await readFile(path, 'utf8'), new Set(Object.keys(fields)), problems);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    if (file === undefined && code === 'ENOENT') return new Map();
    problems.push(`${path}: cannot be read (${code}); name a readable file with --config or WARREN_CONFIG`);
    return new Map();
  }
}

function readFields(
  flags: ServerFlags,
  env: Environment,
  entries: Map<string, YamlEntry>,
  problems: string[],
): Partial<ServerFields> {
  const values: Partial<Record<FieldName, unknown>> = {};
  for (const [name, field] of Object.entries(fields) as [FieldName, (typeof fields)[FieldName]][]) {
    const source = sourceOf(name, field.env, flags, env, entries);
    if (source === undefined) continue;
    try {
      values[name] = field.parse(source.text);
    } catch (error) {
      problems.push(`${source.where}: ${error instanceof Error ? error.message : 'not valid'}`);
    }
  }
  return values as Partial<ServerFields>;
}

/** An empty environment variable is as good as none: that is how unit files and compose files leave one out. */
function sourceOf(
  name: FieldName,
  variable: string,
  flags: ServerFlags,
  env: Environment,
  entries: Map<string, YamlEntry>,
): { text: string; where: string } | undefined {
  const flag = flags[name];
  if (flag !== undefined) return { text: flag, where: `--${kebab(name)}` };
  const text = env[variable];
  if (text !== undefined && text !== '') return { text, where: variable };
  const entry = entries.get(name);
  return entry === undefined ? undefined : { text: entry.text, where: `${entry.where}: ${name}` };
}

function complete(values: Partial<ServerFields>): ServerConfig {
  const listen = values.listen ?? { host: '0.0.0.0', port: 8443 };
  const metrics = values.metricsListen ?? { host: '127.0.0.1', port: 9464 };
  return {
    listen,
    url: values.url ?? `https://${hostname().toLowerCase()}:${listen.port}`,
    stateDir: values.state ?? '/var/lib/warren-server',
    metricsListen: metrics === 'off' ? undefined : metrics,
    ...(values.metricsListen === undefined ? { isMetricsDefault: true } : {}),
    ...(values.reflector === undefined ? {} : { reflector: values.reflector }),
    logLevel: values.logLevel ?? 'info',
    overlayPool: values.overlayPool ?? ('10.86.0.0/16' as Cidr),
    containerPool: values.containerPool ?? ('10.210.0.0/16' as Cidr),
    mtu: values.mtu ?? 1420,
    keepaliveSeconds: values.keepaliveSeconds ?? 25,
    domain: values.domain ?? parseDomainName('warren.internal'),
    distDir: values.distDir ?? join(packageRoot, 'out', 'dist'),
    ...completeBackups(values),
  };
}

function completeBackups(values: Partial<ServerFields>): { backups?: BackupSettings } {
  const { backupDir = 'off', backupEveryMinutes = 1440, backupKeep = 7, backupRecipients = [] } = values;
  if (backupDir === 'off') return {};
  const backups = {
    directory: backupDir,
    everyMinutes: backupEveryMinutes,
    keep: backupKeep,
    recipients: backupRecipients,
  };
  return { backups };
}

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
