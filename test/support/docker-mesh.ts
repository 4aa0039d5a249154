/**
 * A mesh whose hosts each have a real engine: it runs before the agent, so that what the agent finds is another's set-up.
 * Containers are Docker's own, on Warren's network.
 */
import type { EngineVersion } from './docker-kit.ts';
import { type DockerContainer, type LabDocker, makeDocker } from './lab-docker.ts';
import type { LabHost } from './lab-host.ts';
import { type Lab, openLab } from './lab.ts';
import { until } from './wait.ts';

export interface DockerHost {
  readonly host: LabHost;
  readonly engine: LabDocker;
}

export interface DockerMesh {
  readonly lab: Lab;
  readonly hosts: readonly DockerHost[];
}

export interface DockerMeshOptions {
  readonly count: number;
  readonly version: EngineVersion;
  /** Of the daemon, besides those that give it its own places. */
  readonly flags?: readonly string[];
  /** When nothing runs yet. */
  readonly beforeEngines?: (host: LabHost) => Promise<unknown>;
  /** When every engine runs and no agent does. */
  readonly beforeAgents?: (hosts: readonly DockerHost[]) => Promise<void>;
}

/** Resolves when every engine has Warren's network. */
export async function openDockerMesh(options: DockerMeshOptions): Promise<DockerMesh> {
  const { count, version, flags = [], beforeEngines, beforeAgents } = options;
  const lab = await openLab();
  const hosts: DockerHost[] = [];
  for (let i = 1; i <= count; i += 1) {
    const host = await lab.addHost(`h${i}`);
    await beforeEngines?.(host);
    const engine = await makeDocker(host, version);
    host.settings['WARREN_DOCKER'] = `unix://${engine.socket}`;
    hosts.push({ host, engine });
  }
  await Promise.all(hosts.map(({ engine }) => engine.start(...flags)));
  await beforeAgents?.(hosts);
  const token = await lab.token();
  await Promise.all(
    hosts.map(async ({ host }) => {
      await host.join(token);
      await host.startAgent();
      await host.waitUntil('ready');
    }),
  );
  await Promise.all(hosts.map(waitForNetwork));
  return { lab, hosts };
}

export const waitForNetwork = ({ host, engine }: DockerHost): Promise<boolean> =>
  until(`${host.name}'s engine has the network`, { seconds: 20 }, async () => {
    const { stdout } = await engine.docker(['network', 'ls', '--format', '{{.Name}}']);
    return stdout.split('\n').includes('warren');
  });

const mirrorCommand = [
  'sh',
  '-c',
  "mkdir -p /www/cgi-bin && printf '#!/bin/sh\\necho\\necho $REMOTE_ADDR\\n' >/www/cgi-bin/who && " +
    'chmod 755 /www/cgi-bin/who && exec httpd -f -p 80 -h /www',
] as const;

/** A container that answers HTTP on port 80 with the address it was asked from. */
export const addMirror = (
  { engine }: DockerHost,
  name: string,
  args: readonly string[] = [],
): Promise<DockerContainer> => engine.addContainer(name, args, mirrorCommand);

/** IPv4 addresses that a container is told for a name, sorted; by Docker's own resolver, as any program in it. */
export async function lookUp({ engine }: DockerHost, from: DockerContainer, name: string): Promise<string[]> {
  const { stdout } = await engine.docker(['exec', from.name, 'nslookup', '-type=a', name], { okCodes: 'any' });
  const answers = stdout.slice(stdout.search(/^Name:/m));
  return [...answers.matchAll(/^Address(?: \d+)?: ([\d.]+)$/gm)].map(([, address]) => address ?? '').sort();
}

/**
 * What a mirror says to a container. Throws while it cannot be reached. By `nc`, because busybox's `wget` asks for the port
 * of a service by name, which a program without libc's modules does not survive.
 */
export async function askMirror(engine: LabDocker, from: DockerContainer, address: string, port = 80): Promise<string> {
  const ask = `printf 'GET /cgi-bin/who HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${address} ${port}`;
  const { stdout } = await engine.docker(['exec', from.name, 'sh', '-c', ask]);
  const last = stdout.trimEnd().split('\n').at(-1) ?? '';
  // `[::ffff:10.210.1.128]` where the server listens on both families.
  return last.replace(/^\[::ffff:(.*)\]$/, '$1');
}

/** Each mirror is asked by each container of another host until it answers with that one's own address. */
export async function waitForRealAddresses(
  hosts: readonly DockerHost[],
  containers: readonly DockerContainer[],
  seconds = 20,
): Promise<void> {
  const pairs = hosts.flatMap((from, i) => hosts.flatMap((_to, j) => (i === j ? [] : [{ from, i, j }])));
  await Promise.all(
    pairs.map(({ from, i, j }) =>
      until(`${i} reaches ${j} with its own address`, { seconds, everyMilliseconds: 200 }, async () => {
        const [asking, asked] = [containers[i], containers[j]];
        if (asking === undefined || asked === undefined) throw new Error('a container is missing');
        const seen = await askMirror(from.engine, asking, asked.addresses[0] ?? '');
        if (seen !== asking.addresses[0]) throw new Error(`seen as ${seen}, not ${asking.addresses[0] ?? ''}`);
        await asking.run(['ping', '-n', '-c', '1', '-W', '1', asked.addresses[0] ?? '']);
        return true;
      }),
    ),
  );
}

/** Rules and policies that stand in iptables, without counters and without what names `bridge` or carries our mark. */
export async function foreignRules({ host }: DockerHost, bridge: string): Promise<string[]> {
  const { stdout } = await host.run(['iptables-save']);
  let table = '';
  return stdout
    .split('\n')
    .flatMap((line) => {
      if (line.startsWith('*')) table = line;
      const isRule = line.startsWith('-A') || /^:\S+ (DROP|-) /.test(line);
      return isRule && !line.includes(bridge) && !/comment\s+"?warren/.test(line)
        ? [`${table} ${line.replace(/ \[\d+:\d+\]$/, '')}`]
        : [];
    })
    .sort();
}
