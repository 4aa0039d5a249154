/**
 * What the container runtime asks, out of the environment and standard input (CNI specification 1.1.0, sections 2 and 3).
 * Read strictly: a mistake is told with its name, and no text of a stranger goes on unparsed. Pure.
 */
import { z } from 'zod';
import { asWarrenError } from '../../shared/errors.ts';
import { instanceNameSchema, parseInterfaceName, type InterfaceName } from '../../shared/names.ts';
import { type Address, parseAddress } from '../../shared/net/address.ts';
import { type Label, parseLabel, segmentNameSchema } from '../../shared/workload.ts';
import { CniError, cniCodes } from './error.ts';
import {
  type CniCommand,
  type CniVersion,
  commandSince,
  isAtLeast,
  isSupported,
  newestVersion,
  oldestVersion,
} from './version.ts';

const dnsSchema = z.object({
  nameservers: z.array(z.string()).optional(),
  domain: z.string().optional(),
  search: z.array(z.string()).optional(),
  options: z.array(z.string()).optional(),
});
export type CniDns = z.infer<typeof dnsSchema>;

const runtimeSchema = z.object({
  ips: z.array(z.string()).nullish(),
  mac: z.string().nullish(),
  /** By network; podman gives names for the container here. */
  aliases: z.record(z.string(), z.array(z.string())).nullish(),
});

/** Keys that the runtime and other plugins use stay; of our own, none but these has a meaning. */
const configSchema = z.looseObject({
  cniVersion: z.string().default(oldestVersion),
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/, { error: 'not a network name' }),
  type: z.string().max(128),
  instance: instanceNameSchema.optional(),
  segment: segmentNameSchema.optional(),
  /** False: the container's default route is another plugin's, and only the mesh is reached through this one. */
  isDefaultGateway: z.boolean().default(true),
  ipam: z
    .looseObject({
      type: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, { error: 'not a plugin' })
        .optional(),
    })
    .nullish(),
  dns: dnsSchema.nullish(),
  runtimeConfig: runtimeSchema.nullish(),
  prevResult: z.unknown().optional(),
  'cni.dev/valid-attachments': z.array(z.object({ containerID: z.string(), ifname: z.string() })).nullish(),
});
export type CniConfig = z.infer<typeof configSchema> & { readonly cniVersion: CniVersion };

export interface CniRequest {
  readonly command: CniCommand;
  readonly config: CniConfig;
  /** As it came, for a plugin that is called by this one. */
  readonly input: string;
  /** Empty where the command has none. */
  readonly containerId: string;
  /** Empty where the command has none, or the runtime knows it no more. */
  readonly netns: string;
  readonly interfaceName: InterfaceName;
  /** Asked for by the runtime, or by `IP=` in CNI_ARGS. */
  readonly addresses: readonly Address[];
  readonly mac: string | undefined;
  /** The container's name where the runtime says it, fit for a zone. */
  readonly name: Label | undefined;
  readonly services: readonly Label[];
  readonly path: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

const commands = Object.keys(commandSince) as CniCommand[];
const needsContainer: ReadonlySet<CniCommand> = new Set(['ADD', 'DEL', 'CHECK']);
const needsNamespace: ReadonlySet<CniCommand> = new Set(['ADD', 'CHECK']);

/** Throws `CniError` 4. */
export function readCommand(env: Environment): CniCommand {
  const given = env['CNI_COMMAND'] ?? '';
  const command = commands.find((one) => one === given);
  if (command !== undefined) return command;
  const what =
    given === ''
      ? 'CNI_COMMAND is not set; a container runtime calls this, people do not'
      : `CNI_COMMAND '${given.slice(0, 32)}' is unknown`;
  throw new CniError(cniCodes.environmentInvalid, `${what}; known are ${commands.join(', ')}`);
}

/** Throws `CniError`. */
export function readRequest(env: Environment, input: string): CniRequest {
  const command = readCommand(env);
  const config = readConfig(input);
  const since = commandSince[command];
  if (!isAtLeast(config.cniVersion, since)) {
    throw new CniError(
      cniCodes.versionUnsupported,
      `${command} needs cniVersion ${since} or later, not ${config.cniVersion}`,
    );
  }
  const args = readArgs(env['CNI_ARGS'] ?? '');
  const runtime = config.runtimeConfig ?? {};
  return {
    command,
    config,
    input,
    containerId: needsContainer.has(command) ? readContainerId(env['CNI_CONTAINERID'] ?? '') : '',
    netns: readNamespace(env['CNI_NETNS'] ?? '', needsNamespace.has(command)),
    interfaceName: readInterface(env['CNI_IFNAME'] ?? '', needsContainer.has(command)),
    addresses: readAddresses(runtime.ips ?? args.get('IP')?.split(',') ?? []),
    mac: readMac(runtime.mac ?? args.get('MAC')),
    name: labelOf(args.get('K8S_POD_NAME') ?? ''),
    services: servicesOf(runtime.aliases?.[config.name] ?? [], env['CNI_CONTAINERID'] ?? ''),
    path: (env['CNI_PATH'] ?? '').split(':').filter((one) => one.startsWith('/')),
  };
}

function readConfig(input: string): CniConfig {
  let value: unknown;
  try {
    value = JSON.parse(input);
  } catch {
    throw new CniError(cniCodes.undecodable, 'the network configuration on standard input is not JSON');
  }
  const parsed = configSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new CniError(cniCodes.configInvalid, `'${issue?.path.join('.') ?? ''}': ${issue?.message ?? 'not valid'}`);
  }
  const { cniVersion } = parsed.data;
  if (isSupported(cniVersion)) return { ...parsed.data, cniVersion };
  throw new CniError(cniCodes.versionUnsupported, `cniVersion ${cniVersion.slice(0, 32)} is not supported`);
}

/** `K=V;K=V`; what is not known is for somebody else. */
function readArgs(text: string): ReadonlyMap<string, string> {
  const args = new Map<string, string>();
  for (const pair of text.split(';').filter((one) => one !== '')) {
    const at = pair.indexOf('=');
    if (at <= 0) throw new CniError(cniCodes.environmentInvalid, "CNI_ARGS: write it like 'KEY=VALUE;KEY=VALUE'");
    args.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return args;
}

function readContainerId(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(text)) return text;
  throw new CniError(cniCodes.environmentInvalid, 'CNI_CONTAINERID is missing, or not a container id');
}

function readNamespace(text: string, isNeeded: boolean): string {
  if (text === '' && !isNeeded) return '';
  if (/^(?:\/[A-Za-z0-9_.@:+-]{1,128})+$/.test(text) && text.length <= 256 && !text.split('/').includes('..'))
    return text;
  throw new CniError(cniCodes.environmentInvalid, 'CNI_NETNS is missing, or not the path of a network namespace');
}

function readInterface(text: string, isNeeded: boolean): InterfaceName {
  if (!isNeeded) return 'none' as InterfaceName;
  try {
    return parseInterfaceName(text);
  } catch (error) {
    throw new CniError(cniCodes.environmentInvalid, `CNI_IFNAME: ${asWarrenError(error).message}`);
  }
}

function readAddresses(given: readonly string[]): Address[] {
  try {
    return given.map((one) => parseAddress(one.replace(/\/\d{1,3}$/, ''))).slice(0, 2);
  } catch (error) {
    throw new CniError(cniCodes.configInvalid, `the address asked for: ${asWarrenError(error).message}`);
  }
}

function readMac(given: string | null | undefined): string | undefined {
  if (given === undefined || given === null || given === '') return undefined;
  const mac = given.toLowerCase();
  // Group addresses are no interface's own (IEEE 802).
  if (/^[0-9a-f][02468ace](?::[0-9a-f]{2}){5}$/.test(mac)) return mac;
  throw new CniError(cniCodes.configInvalid, `'${given.slice(0, 32)}' is not the MAC address of an interface`);
}

function labelOf(text: string): Label | undefined {
  try {
    return parseLabel(text.toLowerCase());
  } catch {
    return undefined;
  }
}

/** Not the short id that podman adds. Aliases that fit no zone are nobody's names; the container starts all the same. */
function servicesOf(aliases: readonly string[], containerId: string): Label[] {
  const named = aliases.filter((alias) => !containerId.startsWith(alias));
  return [...new Set(named.flatMap((alias) => labelOf(alias) ?? []))].slice(0, 16);
}

/** The version an error is told in: that of the configuration, as far as it can be read. */
export function versionOf(input: string): CniVersion {
  try {
    const { cniVersion } = JSON.parse(input) as { readonly cniVersion?: unknown };
    return typeof cniVersion === 'string' && isSupported(cniVersion) ? cniVersion : newestVersion;
  } catch {
    return newestVersion;
  }
}
