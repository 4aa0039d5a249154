/**
 * What the demo's containers are: Docker's own, each host with a real engine, where an engine can run on this machine;
 * else network namespaces that `warren attach` joins. Which of the two, and why, is told.
 */
import { type LabContainer, registerContainer } from '../support/lab-container.ts';
import { type LabDocker, makeDocker } from '../support/lab-docker.ts';
import type { LabHost } from '../support/lab-host.ts';
import { run } from '../support/command.ts';
import { until } from '../support/wait.ts';

export interface ContainerKind {
  /** For people: `Docker 20.10.24`, or why it is not. */
  what(): string;
  /** The command that makes one, as a person would give it. */
  readonly command: string;
  /** Before the host joins. */
  prepare(host: LabHost): Promise<void>;
  add(host: LabHost): Promise<LabContainer>;
}

/** Containers of Docker until an engine does not start; from then on, and for all hosts, namespaces. */
export async function chooseContainers(first: LabHost): Promise<ContainerKind> {
  try {
    const engine = await startEngine(first);
    const { stdout } = await engine.docker(['version', '--format', '{{.Server.Version}}']);
    return dockerContainers(stdout.trim(), new Map([[first.name, engine]]));
  } catch (error) {
    first.settings['WARREN_DOCKER'] = 'off';
    const [why = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    return namespaces(why);
  }
}

async function startEngine(host: LabHost): Promise<LabDocker> {
  const engine = await makeDocker(host);
  await engine.start();
  host.settings['WARREN_DOCKER'] = `unix://${engine.socket}`;
  return engine;
}

function dockerContainers(version: string, engines: Map<string, LabDocker>): ContainerKind {
  return {
    what: () => `Docker ${version}, an engine on each host`,
    command: 'docker run --network warren, two containers on each host',
    prepare: async (host) => {
      if (!engines.has(host.name)) engines.set(host.name, await startEngine(host));
    },
    add: async (host) => {
      const engine = engines.get(host.name);
      if (engine === undefined) throw new Error(`${host.name} has no engine`);
      const name = `${host.name}-c${host.containers.length + 1}`;
      await until(`${host.name}'s engine has the network`, { seconds: 20, everyMilliseconds: 50 }, async () => {
        const { stdout } = await engine.docker(['network', 'ls', '--format', '{{.Name}}']);
        return stdout.split('\n').includes('warren');
      });
      const { pid } = await engine.addContainer(name);
      // A name for its namespace, so that captures and pings are made in it as in any other.
      const namespace = `${host.namespace}c${host.containers.length + 1}`;
      await run(['ip', 'netns', 'attach', namespace, String(pid)]);
      return registerContainer(host, name, namespace);
    },
  };
}

function namespaces(why: string): ContainerKind {
  return {
    what: () => `network namespaces (no Docker engine runs here: ${why.slice(0, 160)})`,
    command: 'warren attach, two containers on each host',
    prepare: () => Promise.resolve(),
    add: (host) => host.addContainer(),
  };
}
