import { type KeyObject, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { HostId } from '../../../shared/names.ts';
import { parseToken } from '../../../shared/token.ts';
import { loadServerConfig } from '../../../server/config.ts';
import { type RunningServer, type StartOptions, start } from '../../../server/main.ts';
import { buildCsr } from '../pki/csr-builder.ts';

export interface Identity {
  readonly cert: string;
  readonly key: string;
}

export interface Ask {
  readonly method?: string;
  readonly body?: unknown;
  /** Sent as it is, instead of `body`. */
  readonly text?: string;
  readonly headers?: Record<string, string>;
  readonly key?: string;
  readonly identity?: Identity | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly json: Record<string, unknown>;
}

export interface TestHost {
  readonly id: HostId;
  readonly name: string;
  readonly identity: Identity;
  readonly privateKey: KeyObject;
  readonly publicKey: string;
}

export interface TestServer {
  readonly server: RunningServer;
  readonly stateDir: string;
  readonly ca: string;
  readonly adminKey: string;
  readonly ask: (path: string, ask?: Ask) => Promise<Answer>;
  /** The open response; the caller destroys it. */
  open(path: string, ask?: Ask): Promise<IncomingMessage>;
  makeKey(scope: 'read' | 'operator' | 'admin'): Promise<string>;
  enroll(options?: { isPending?: boolean }): Promise<TestHost>;
  stop(): Promise<void>;
}

/** A real server on loopback in a directory of its own. */
export async function startTestServer(options: StartOptions = {}): Promise<TestServer> {
  const stateDir = await mkdtemp(join(tmpdir(), 'warren-http-'));
  const flags = { listen: '127.0.0.1:0', url: 'https://127.0.0.1:0', state: stateDir, metricsListen: '127.0.0.1:0' };
  const config = await loadServerConfig({ flags, env: {} });
  const log = pino({ level: 'silent' });
  const limits = { maxFailures: 100_000, windowSeconds: 60 };
  const server = await start(config, { log, limits, ...options });
  const ca = await readFile(join(stateDir, 'ca.crt'), 'utf8');
  const adminKey = server.firstKey?.reveal() ?? '';
  const base = { server, stateDir, ca, adminKey };
  const open = (path: string, ask: Ask = {}): Promise<IncomingMessage> => send(base, path, ask);
  const ask = async (path: string, given: Ask = {}): Promise<Answer> => readAnswer(await open(path, given));
  const must = async (path: string, body: unknown): Promise<Record<string, unknown>> => {
    const answer = await ask(path, { method: 'POST', body, key: adminKey });
    if (answer.status !== 201) throw new Error(`${path} answered ${answer.status}: ${answer.text}`);
    return answer.json;
  };
  return {
    ...base,
    ask,
    open,
    makeKey: async (scope) => String((await must('/api/v1/keys', { scope }))['key']),
    enroll: async ({ isPending = false } = {}) => {
      const made = await must('/api/v1/tokens', { autoApprove: !isPending });
      return enrollHost(ask, String(made['token']));
    },
    stop: async () => {
      await server.stop();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

export function newWireGuardKey(): string {
  const { x } = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' });
  return Buffer.from(x ?? '', 'base64url').toString('base64');
}

async function enrollHost(ask: TestServer['ask'], tokenText: string): Promise<TestHost> {
  const token = parseToken(tokenText);
  const { csr, privateKey } = buildCsr('P-256');
  const publicKey = newWireGuardKey();
  const name = `host-${randomBytes(5).toString('hex')}`;
  const body = {
    tokenId: token.id,
    tokenSecret: token.secret.reveal(),
    name,
    publicKey,
    csr,
    listenPort: 51820,
    agentVersion: 'test',
  };
  const answer = await ask('/agent/v1/enroll', { method: 'POST', body });
  if (answer.status !== 201) throw new Error(`enroll answered ${answer.status}: ${answer.text}`);
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const identity = { cert: String(answer.json['certificate']), key };
  return { id: answer.json['hostId'] as HostId, name, identity, privateKey, publicKey };
}

function send({ server }: Pick<TestServer, 'server'>, path: string, ask: Ask): Promise<IncomingMessage> {
  const headers: Record<string, string> = {};
  const text = ask.text ?? (ask.body === undefined ? undefined : JSON.stringify(ask.body));
  if (text !== undefined) headers['content-type'] = 'application/json';
  if (ask.key !== undefined) headers['authorization'] = `Bearer ${ask.key}`;
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host: '127.0.0.1',
        port: server.port,
        path,
        method: ask.method ?? 'GET',
        ca: server.deps.authority.caPem,
        agent: false,
        ...ask.identity,
        headers: { ...headers, ...ask.headers },
      },
      resolve,
    );
    request.on('error', reject);
    request.end(text);
  });
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  const isStream = response.headers['content-type']?.startsWith('text/event-stream') === true;
  if (isStream) response.destroy();
  else for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  const { statusCode: status = 0, headers } = response;
  return { status, headers, text, json: parse(text) };
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
