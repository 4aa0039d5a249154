/** Every key of an agent's configuration: what its value looks like, and how the environment calls it. */
import { z } from 'zod';
import { instanceNameSchema, interfaceNameSchema } from '../../shared/names.ts';
import { listenPortSchema } from '../../shared/api/report.ts';
import { readListenAt } from '../fallback/listen-at.ts';
import { readPorts } from '../relay/ports.ts';

const logLevelSchema = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']);
export type LogLevel = z.infer<typeof logLevelSchema>;

const pathSchema = z
  .string()
  .max(4096)
  .regex(/^\/[^\0]*$/, { error: 'give an absolute path' });

const offOrPathSchema = z
  .string()
  .max(4096)
  .regex(/^(?:off|\/[^\0]*)$/, { error: "give an absolute path, or 'off'" });

export const dockerSchema = z.union([z.enum(['auto', 'off']), z.string().regex(/^unix:\/\/\/[^\0]{1,100}$/)], {
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

export const keySchemas = {
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
export type Key = keyof typeof keySchemas;
export type Values = { -readonly [K in Key]?: z.infer<(typeof keySchemas)[K]> | undefined };

/** The environment's names of the keys. */
export const variables: Readonly<Record<Key, string>> = {
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
