import { type KeyObject, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pino } from 'pino';
import type { z } from 'zod';
import { type Call, createCall } from '../../../shared/api/client.ts';
import { enrollHost, renewCertificate } from '../../../shared/api/enroll.ts';
import { type Scope, createKey } from '../../../shared/api/keys.ts';
import { type ReportBody, sendReport } from '../../../shared/api/report.ts';
import { createToken } from '../../../shared/api/tokens.ts';
import { type HostId, type HostName, parseHostName } from '../../../shared/names.ts';
import type { Cidr } from '../../../shared/net/cidr.ts';
import { parseToken } from '../../../shared/token.ts';
import { type PublicKey, parsePublicKey } from '../../../shared/wireguard.ts';
import type { ServerConfig } from '../../../server/config.ts';
import type { Deps } from '../../../server/deps.ts';
import { start } from '../../../server/main.ts';
import { buildCsr } from '../pki/csr-builder.ts';
import { type Identity, type OpenStream, exchange, openStream } from './https.ts';
import { parseDomainName } from '../../../shared/workload.ts';
import { emptyReport } from '../../support/report-body.ts';

/** A server in this process, over real TLS on loopback, with a clock of its own. */
export interface TestServer {
  readonly deps: Deps;
  readonly port: number;
  readonly admin: Call;
  /** Calls with another key, or none. */
  as(key: string | undefined): Call;
  keyOf(scope: Scope): Promise<Call>;
  token(body?: z.input<typeof createToken.body>): Promise<string>;
  /** Moves the server's clock on, milliseconds. */
  later(ms: number): void;
  open(path: string, options: Identity & { cursor?: string }): Promise<OpenStream>;
  /** The first admin key. */
  readonly adminKey: string;
}

export interface TestAgent {
  readonly id: HostId;
  readonly name: HostName;
  readonly state: string;
  readonly key: KeyObject;
  certificate: string;
  readonly publicKey: PublicKey;
  readonly call: Call;
  report(change?: Partial<ReportBody>): Promise<{ epoch: string; revision: number }>;
  renew(publicKey?: PublicKey): Promise<void>;
}

export async function startServer(t: TestContext, change: Partial<ServerConfig> = {}): Promise<TestServer> {
  const stateDir = await mkdtemp(join(tmpdir(), 'warren-routes-'));
  let skew = 0;
  const clock = { now: () => Date.now() + skew };
  const config = { ...baseConfig, ...change, stateDir };
  const log = pino({ level: process.env['WARREN_TEST_LOG'] ?? 'silent' });
  const running = await start(config, { log, clock, limits: { maxFailures: 1_000_000, windowSeconds: 60 } });
  const streams: OpenStream[] = [];
  t.after(async () => {
    for (const stream of streams) stream.close();
    await running.stop();
    await rm(stateDir, { recursive: true, force: true });
  });
  const adminKey = running.firstKey?.reveal() ?? '';
  const port = running.port;
  const as = (bearer: string | undefined): Call => createCall((call) => exchange(port, call, { bearer }));
  const admin = as(adminKey);
  return {
    deps: running.deps,
    port,
    admin,
    adminKey,
    as,
    keyOf: async (scope) => as((await admin(createKey, { body: { scope } })).key),
    token: async (body = {}) => (await admin(createToken, { body })).token,
    later: (ms) => void (skew += ms),
    async open(path, options) {
      const stream = await openStream(port, path, options);
      streams.push(stream);
      return stream;
    },
  };
}

const baseConfig: ServerConfig = {
  listen: { host: '127.0.0.1', port: 0 },
  url: 'https://127.0.0.1:0',
  stateDir: '',
  metricsListen: undefined,
  logLevel: 'info',
  overlayPool: '10.86.0.0/16' as Cidr,
  containerPool: '10.210.0.0/16' as Cidr,
  mtu: 1420,
  keepaliveSeconds: 25,
  domain: parseDomainName('warren.internal'),
  distDir: '/nonexistent',
};

export type EnrollChange = Partial<z.input<typeof enrollHost.body>>;

/** What a machine sends to enroll; the same key is the same machine. */
export function enrollBody(token: string, name: string, change: EnrollChange = {}, key?: KeyObject) {
  const { id, secret } = parseToken(token);
  const { csr, privateKey } = buildCsr('P-256', key === undefined ? {} : { key });
  const body = {
    tokenId: id,
    tokenSecret: secret.reveal(),
    name: parseHostName(name),
    publicKey: newPublicKey(),
    csr,
    listenPort: 51820,
    agentVersion: '0.1.0',
    ...change,
  };
  return { body, key: privateKey };
}

/** What enrolling needs of a server, in this process or another. */
export type Enrolling = Pick<TestServer, 'as' | 'port' | 'token'>;

export async function enrollAgent(
  server: Enrolling,
  name: string,
  given: { token?: string; change?: EnrollChange; key?: KeyObject } = {},
): Promise<TestAgent> {
  const { body, key } = enrollBody(given.token ?? (await server.token()), name, given.change, given.key);
  const reply = await server.as(undefined)(enrollHost, { body });
  return createAgent(server, { ...reply, key, publicKey: body.publicKey });
}

function createAgent(
  server: Enrolling,
  given: { hostId: HostId; name: HostName; state: string; key: KeyObject; certificate: string; publicKey: PublicKey },
): TestAgent {
  const agent: TestAgent = {
    id: given.hostId,
    name: given.name,
    state: given.state,
    key: given.key,
    certificate: given.certificate,
    publicKey: given.publicKey,
    call: createCall((call) => exchange(server.port, call, { agent })),
    report: (change = {}) => agent.call(sendReport, { body: { ...emptyReport, ...change } }),
    renew: async (publicKey = given.publicKey) => {
      const { csr } = buildCsr('P-256', { key: given.key });
      agent.certificate = (await agent.call(renewCertificate, { body: { csr, publicKey } })).certificate;
    },
  };
  return agent;
}

export function newPublicKey(): PublicKey {
  const { publicKey } = generateKeyPairSync('x25519');
  return parsePublicKey(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64'));
}

export const newIdempotencyKey = (): string => randomBytes(12).toString('hex');
