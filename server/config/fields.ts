/** Each setting of the server: its environment variable and the strict reader of its text. */
import { resolve } from 'node:path';
import { isIP } from 'node:net';
import { parseAddress } from '../../shared/net/address.ts';
import { type Cidr, cidrFamily, parseCidr } from '../../shared/net/cidr.ts';
import { refuseReserved } from '../../shared/net/reserved.ts';
import { type Recipient, parseRecipients } from '../backups/keys.ts';
import { serverUrlSchema } from '../../shared/token.ts';
import { parseDomainName } from '../../shared/workload.ts';

export interface SocketAddress {
  /** An IP address or a host name that the system resolves. */
  readonly host: string;
  /** 0 lets the system choose; tests only. */
  readonly port: number;
}

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export const fields = {
  listen: { env: 'WARREN_LISTEN', parse: parseSocketAddress },
  url: { env: 'WARREN_URL', parse: parseUrl },
  state: { env: 'WARREN_STATE', parse: parsePath },
  metricsListen: {
    env: 'WARREN_METRICS_LISTEN',
    parse: (text: string) => (text === 'off' ? 'off' : parseSocketAddress(text)),
  },
  reflector: {
    env: 'WARREN_REFLECTOR',
    parse: parseReflector,
  },
  logLevel: { env: 'WARREN_LOG_LEVEL', parse: parseLogLevel },
  overlayPool: { env: 'WARREN_OVERLAY_POOL', parse: parsePool },
  containerPool: { env: 'WARREN_CONTAINER_POOL', parse: parsePool },
  mtu: { env: 'WARREN_MTU', parse: parseWhole(1280, 9000) },
  keepaliveSeconds: { env: 'WARREN_KEEPALIVE_SECONDS', parse: parseWhole(0, 3600) },
  domain: { env: 'WARREN_DOMAIN', parse: parseDomainName },
  distDir: { env: 'WARREN_DIST_DIR', parse: parsePath },
  backupDir: { env: 'WARREN_BACKUP_DIR', parse: (text: string) => (text === 'off' ? 'off' : parsePath(text)) },
  backupEveryMinutes: { env: 'WARREN_BACKUP_EVERY_MINUTES', parse: parseWhole(1, 527_040) },
  backupKeep: { env: 'WARREN_BACKUP_KEEP', parse: parseWhole(1, 10_000) },
  backupRecipients: { env: 'WARREN_BACKUP_RECIPIENTS', parse: parseRecipientList },
} as const;

export type FieldName = keyof typeof fields;
export type ServerFields = { [Name in FieldName]: ReturnType<(typeof fields)[Name]['parse']> };

export function parseSocketAddress(text: string): SocketAddress {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([A-Za-z0-9.-]+)):(0|[1-9]\d{0,4})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65535) throw new Error('write it like 0.0.0.0:8443 or [::]:8443');
  if (host.includes(':') || /^[\d.]+$/.test(host)) parseListenAddress(host);
  return { host, port };
}

function parseReflector(text: string): SocketAddress | 'on' | 'off' {
  if (text === 'on' || text === 'off') return text;
  try {
    return parseSocketAddress(text);
  } catch (cause) {
    throw new Error(`write on, off or an address; ${cause instanceof Error ? cause.message : ''}`, { cause });
  }
}

function parseListenAddress(host: string): void {
  if (isIP(host) === 0) throw new Error(`'${host}' is not an IP address; write it like 0.0.0.0:8443 or [::]:8443`);
  parseAddress(host);
}

function parseUrl(text: string): string {
  const url = serverUrlSchema.safeParse(text);
  if (url.success) return url.data;
  throw new Error(url.error.issues[0]?.message ?? 'write the server like https://warren.example.org:8443');
}

function parsePath(text: string): string {
  if (text === '' || text.includes('\0')) throw new Error('give a directory');
  return resolve(text);
}

function parseRecipientList(text: string): readonly Recipient[] {
  return parseRecipients(text.split(/[\s,]+/).filter((word) => word !== ''));
}

function parseLogLevel(text: string): LogLevel {
  const level = logLevels.find((known) => known === text);
  if (level === undefined) throw new Error(`use one of ${logLevels.join(', ')}`);
  return level;
}

function parsePool(text: string): Cidr {
  const pool = parseCidr(text);
  if (cidrFamily(pool) !== 4) throw new Error('give an IPv4 prefix; the IPv6 pools are made by the server');
  refuseReserved(pool);
  return pool;
}

function parseWhole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^(?:0|[1-9]\d{0,6})$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    throw new Error(`give a whole number from ${min} to ${max}`);
  };
}
