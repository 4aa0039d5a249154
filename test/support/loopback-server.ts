/** A server on loopback, without namespaces: what tests of the server alone need. Started again on the same port. */
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { type Call, type HttpReply, type HttpRequest, createCall } from '../../shared/api/client.ts';
import { warrenProgram } from './lab-config.ts';
import { type Running, startProcess } from './process.ts';
import { until } from './wait.ts';

export interface LoopbackServer {
  start(): Promise<void>;
  stop(signal: NodeJS.Signals): Promise<void>;
  /** Calls with the admin's key, or with none. Fails at once when the server is away. */
  call(as: 'admin' | 'anonymous'): Call;
  output(): string;
}

export async function createLoopbackServer(dir: string): Promise<LoopbackServer> {
  const port = await freePort();
  const state = join(dir, 'server');
  const url = `https://127.0.0.1:${port}`;
  const argv = [...warrenProgram(), 'server', '--listen', `127.0.0.1:${port}`, '--url', url, '--state', state];
  const env = { WARREN_METRICS_LISTEN: 'off' };
  let running: Running | undefined;
  const read = (name: string): string => readFileSync(join(state, name), 'utf8').trim();
  return {
    async start() {
      const server = startProcess(argv, { logFile: join(dir, 'server.log'), env });
      running = server;
      await until('the server answers', { seconds: 90, everyMilliseconds: 20 }, async () => {
        if (!server.isRunning()) throw new Error(`the server ended: ${server.output().slice(-2000)}`);
        if (!existsSync(join(state, 'ca.crt')) || !existsSync(join(state, 'admin.key'))) return false;
        return (await exchange(port, read('ca.crt'), ready)).status === 200;
      });
    },
    stop: async (signal) => running?.stop(signal),
    call: (as) =>
      createCall((call) => {
        const authorization = as === 'admin' ? { authorization: `Bearer ${read('admin.key')}` } : {};
        return exchange(port, read('ca.crt'), { ...call, headers: { ...call.headers, ...authorization } });
      }),
    output: () => running?.output() ?? '',
  };
}

const ready: HttpRequest = { method: 'GET', path: '/readyz', headers: {}, body: undefined };

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

function exchange(port: number, ca: string, call: HttpRequest): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    const { method, path } = call;
    const length = call.body === undefined ? {} : { 'content-length': Buffer.byteLength(call.body) };
    const headers = { ...call.headers, ...length };
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers, ca, agent: false }, (reply) => {
      const chunks: string[] = [];
      reply.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk));
      reply.once('error', reject);
      reply.once('end', () => resolve({ status: reply.statusCode ?? 0, headers: {}, body: chunks.join('') }));
    });
    outgoing.setTimeout(20_000, () => outgoing.destroy(new Error('no answer within 20 s')));
    outgoing.once('error', reject);
    outgoing.end(call.body);
  });
}
