/** One host of a lab: a namespace on the underlay, a Warren agent with its own folders, and containers. */
import { join } from 'node:path';
import { createAgentCall } from '../../agent/local/client.ts';
import { type CommandOptions, type CommandResult, run } from './command.ts';
import { type LabContainer, makeContainer } from './lab-container.ts';
import { inside, runInside } from './namespace.ts';
import { type Running, startProcess } from './process.ts';
import { until } from './wait.ts';

export interface HostPlace {
  readonly program: readonly string[];
  readonly name: string;
  readonly namespace: string;
  /** Underlay address. */
  readonly address: string;
  readonly interfaceName: string;
  readonly dir: string;
  /** For the agent and all commands of this host. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface LabHost extends HostPlace {
  /** Another one after it was moved. */
  address: string;
  readonly stateDir: string;
  readonly runDir: string;
  readonly containers: LabContainer[];
  /** What its agent and commands are configured with; a change counts from the next start. */
  readonly settings: Record<string, string>;
  /** `warren join`, with the token in the environment. */
  join(token: string, ...args: string[]): Promise<void>;
  startAgent(): Promise<void>;
  stopAgent(signal?: NodeJS.Signals): Promise<void>;
  /** Any `warren` command as this host's root would give it. */
  warren(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** `warren status --json`. */
  status(): Promise<Record<string, unknown>>;
  waitUntil(check: 'ready' | 'live', seconds?: number): Promise<void>;
  /** Makes a container namespace and attaches it. */
  addContainer(): Promise<LabContainer>;
  /** Any command inside the host's namespace. */
  run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  agentOutput(): string;
  agentPid(): number;
}

export function createLabHost(place: HostPlace): LabHost {
  const stateDir = join(place.dir, 'state');
  const runDir = join(place.dir, 'run');
  const env: Record<string, string> = {
    WARREN_STATE_DIR: stateDir,
    WARREN_RUN_DIR: runDir,
    WARREN_INTERFACE: place.interfaceName,
    // All hosts of a lab share one file system, and an engine there would find the driver of just one of them; an engine
    // of this machine lives in none of the lab's namespaces.
    WARREN_PLUGIN_SOCKET: 'off',
    WARREN_DOCKER: 'off',
    WARREN_RESOLVED: 'off',
    WARREN_FIREWALLD: 'off',
    ...place.env,
  };
  const argv = (args: readonly string[]): string[] => inside(place.namespace, [...place.program, ...args]);
  let agent: Running | undefined;
  const host: LabHost = {
    ...place,
    settings: env,
    stateDir,
    runDir,
    containers: [],
    async join(token, ...args) {
      await run(argv(['join', '--name', place.name, ...args]), { env: { ...env, WARREN_TOKEN: token } });
    },
    async startAgent() {
      agent = startProcess(argv(['agent']), { logFile: join(place.dir, 'agent.log'), env });
    },
    stopAgent: async (signal) => agent?.stop(signal),
    warren: (args, options = {}) => run(argv(args), { ...options, env: { ...env, ...options.env } }),
    async status() {
      const { stdout } = await run(argv(['status', '--json']), { env });
      return JSON.parse(stdout) as Record<string, unknown>;
    },
    waitUntil: (check, seconds = 30) => waitUntil(host, check, seconds),
    addContainer: () => makeContainer(host),
    run: (command, options) => runInside(place.namespace, command, options),
    agentOutput: () => agent?.output() ?? '',
    agentPid: () => agent?.pid ?? -1,
  };
  return host;
}

/** Asks the agent's socket until it agrees, because a process a question is dear; the real command has the last word. */
async function waitUntil(host: LabHost, check: 'ready' | 'live', seconds: number): Promise<void> {
  const call = createAgentCall(host.runDir);
  try {
    await until(`${host.name} is ${check}`, { seconds, everyMilliseconds: 30 }, async () => {
      const { isReady, waitingFor } = await call('status', {});
      if (check === 'ready' && !isReady) throw new Error(`not ready: ${waitingFor ?? ''}`);
      await host.warren(['status', '--check', check]);
      return true;
    });
  } catch (error) {
    throw new Error(`${String(error)}\nits agent said:\n${host.agentOutput().slice(-3000)}`, { cause: error });
  }
}
