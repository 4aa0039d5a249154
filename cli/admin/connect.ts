/**
 * How admin commands find their server and key: flag, then environment. The commands themselves only call operations
 * of `shared/api`; nothing in this folder knows the store, the kernel or an agent.
 */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { type Call, createCall } from '../../shared/api/client.ts';
import { WarrenError } from '../../shared/errors.ts';
import { Secret } from '../../shared/secret.ts';
import { serverUrlSchema } from '../../shared/token.ts';
import type { Io } from '../command.ts';
import { type Connection, createSend } from './transport.ts';

export interface ServerOptions {
  readonly server?: string;
  readonly keyFile?: string;
  readonly ca?: string;
}

/** Adds the options that every admin command takes. */
export function withServerOptions(command: Command): Command {
  return command
    .option('--server <url>', 'the coordination server, https://host:port (WARREN_SERVER)')
    .option('--key-file <file>', 'file with an API key (WARREN_KEY_FILE; the key itself: WARREN_KEY)')
    .option('--ca <file>', "trust only this CA, the server's ca.crt (WARREN_CA)");
}

export async function readConnection(options: ServerOptions, env: Io['env']): Promise<Connection> {
  const serverUrl = readServerUrl(options.server ?? given(env, 'WARREN_SERVER'));
  const caFile = options.ca ?? given(env, 'WARREN_CA');
  const caPem = caFile === undefined ? undefined : await readText(caFile, '--ca');
  if (caPem !== undefined && !caPem.includes('-----BEGIN CERTIFICATE-----')) {
    throw new WarrenError('usage-invalid', `${caFile} holds no PEM certificate; give the server's ca.crt to --ca`);
  }
  return { serverUrl, key: await readKey(options, env), caPem };
}

/** A `Call` to the server; each mutation carries an idempotency key of its own, kept over retries. */
export function createAdminCall(connection: Connection): Call {
  const call = createCall(createSend(connection));
  return (op, input) => call(op, op.method === 'GET' ? input : { idempotencyKey: randomUUID(), ...input });
}

export async function connect(options: ServerOptions, io: Io): Promise<Call> {
  return createAdminCall(await readConnection(options, io.env));
}

/** An empty variable is as good as none: that is how unit and compose files leave one out. */
function given(env: Io['env'], name: string): string | undefined {
  return env[name] === '' ? undefined : env[name];
}

function readServerUrl(text: string | undefined): string {
  if (text === undefined || text === '') {
    throw new WarrenError('usage-invalid', 'which server? give --server https://host:port or set WARREN_SERVER');
  }
  const parsed = serverUrlSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new WarrenError('usage-invalid', `--server is not usable: ${parsed.error.issues[0]?.message ?? ''}`);
}

async function readKey(options: ServerOptions, env: Io['env']): Promise<Secret> {
  const key = given(env, 'WARREN_KEY');
  const file = options.keyFile ?? (key === undefined ? given(env, 'WARREN_KEY_FILE') : undefined);
  const text = file === undefined ? key : await readText(file, '--key-file');
  if (text === undefined) {
    throw new WarrenError('usage-invalid', 'which key? give --key-file FILE, or set WARREN_KEY_FILE or WARREN_KEY');
  }
  if (!/^wrn_[A-Za-z0-9_-]{20,200}$/.test(text.trim())) {
    throw new WarrenError('usage-invalid', `${file ?? 'WARREN_KEY'} holds no API key; one starts with wrn_`);
  }
  return new Secret(text.trim());
}

async function readText(file: string, option: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable';
    throw new WarrenError('usage-invalid', `${option}: cannot read ${file} (${reason})`, { cause });
  }
}
