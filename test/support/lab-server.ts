/** The coordination server of a lab: the real `warren server` in a namespace of its own, and its admin commands. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.ts';
import { inside } from './namespace.ts';
import { type Running, startProcess } from './process.ts';
import { until } from './wait.ts';

export interface LabServer {
  readonly namespace: string;
  readonly url: string;
  readonly stateDir: string;
  readonly port: number;
  start(): Promise<void>;
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Runs an admin command and answers its JSON. */
  admin(...args: string[]): Promise<unknown>;
  /** A new enrollment token. */
  makeToken(...args: string[]): Promise<string>;
  output(): string;
  pid(): number;
}

export interface ServerPlace {
  readonly program: readonly string[];
  readonly namespace: string;
  /** Of its URL. */
  readonly address: string;
  readonly hasIpv6?: boolean;
  readonly dir: string;
}

export function createLabServer(place: ServerPlace): LabServer {
  const port = 8443;
  const isIpv6 = place.address.includes(':');
  const url = `https://${isIpv6 ? `[${place.address}]` : place.address}:${port}`;
  const listen = `${(place.hasIpv6 ?? isIpv6) ? '[::]' : '0.0.0.0'}:${port}`;
  const stateDir = join(place.dir, 'server');
  const adminEnv = {
    WARREN_SERVER: url,
    WARREN_KEY_FILE: join(stateDir, 'admin.key'),
    WARREN_CA: join(stateDir, 'ca.crt'),
  };
  let running: Running | undefined;
  const warren = (args: readonly string[]): string[] => inside(place.namespace, [...place.program, ...args]);
  const admin = async (...args: string[]): Promise<unknown> => {
    const { stdout } = await run(warren([...args, '--json']), { env: adminEnv });
    return stdout === '' ? undefined : (JSON.parse(stdout) as unknown);
  };
  return {
    namespace: place.namespace,
    url,
    stateDir,
    port,
    admin,
    async start() {
      const argv = warren(['server', '--listen', listen, '--url', url, '--state', stateDir]);
      const server = startProcess(argv, { logFile: join(place.dir, 'server.log') });
      const before = running?.output().length ?? 0;
      running = server;
      await until('the server is ready', { seconds: 30, everyMilliseconds: 20 }, () => {
        if (!server.isRunning()) throw new Error(`the server ended: ${server.output().slice(-2000)}`);
        return existsSync(adminEnv.WARREN_KEY_FILE) && /ready/.test(server.output().slice(before));
      });
    },
    stop: async (signal) => running?.stop(signal),
    async makeToken(...args) {
      const made = (await admin('token', 'create', ...args)) as { token: string };
      return made.token;
    },
    output: () => running?.output() ?? '',
    pid: () => running?.pid ?? -1,
  };
}
