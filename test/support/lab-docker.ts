/**
 * A real Docker engine for one host of a lab: its own daemon, data and plugin folder, in the host's network namespace. A
 * keeper process holds its mount namespace, so that the daemon may be stopped, killed and started again over the same
 * mounts. The lab's end ends it (`docker-cleanup.ts`).
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandOptions, type CommandResult, run } from './command.ts';
import { type Engine, type EngineVersion, engineOf } from './docker-kit.ts';
import type { LabHost } from './lab-host.ts';
import { type Running, startProcess } from './process.ts';
import { until } from './wait.ts';

export interface LabDocker {
  readonly socket: string;
  /** Where this daemon looks for plugins, in its own mount namespace `/run/docker/plugins`. */
  readonly pluginDir: string;
  start(...flags: string[]): Promise<void>;
  /** SIGTERM by default; resolves when the daemon has ended. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Any docker command. */
  docker(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** `docker run -d --network warren …`; resolves when it runs. */
  addContainer(name: string, args?: readonly string[], command?: readonly string[]): Promise<DockerContainer>;
  output(): string;
}

export interface DockerContainer {
  readonly name: string;
  readonly id: string;
  readonly pid: number;
  /** Of the network it was started on, IPv4 first. */
  readonly addresses: readonly string[];
  /** A command of the host inside the container's network namespace. */
  run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>;
}

/**
 * The engine of `host`, not started; `version`: `20` Debian's own, others from the kit; `resolvConf`: what it finds the
 * host's name servers in. Throws where it cannot be had.
 */
export async function makeDocker(
  host: LabHost,
  version: EngineVersion = '20',
  resolvConf?: string,
): Promise<LabDocker> {
  const engine = engineOf(version);
  const dir = join(host.dir, 'docker');
  for (const folder of ['data', 'exec', 'run/plugins', 'cgroup']) mkdirSync(join(dir, folder), { recursive: true });
  mkdirSync('/run/docker', { recursive: true });
  writeFileSync(join(dir, 'daemon.json'), '{}');
  if (resolvConf !== undefined) writeFileSync(join(dir, 'resolv.conf'), resolvConf);
  const keeper = await startKeeper(host, dir);
  const socket = join(dir, 'docker.sock');
  const env = { PATH: `${engine.path}:${process.env['PATH'] ?? ''}`, DOCKER_HOST: `unix://${socket}` };
  let daemon: Running | undefined;
  const lab: LabDocker = {
    socket,
    pluginDir: join(dir, 'run/plugins'),
    async start(...flags) {
      // What a killed daemon left: it would wait for a containerd that is a zombie until somebody reaps it.
      for (const file of ['docker.pid', 'exec/containerd/containerd.pid']) rmSync(join(dir, file), { force: true });
      daemon = startProcess(['nsenter', `--target=${keeper.pid}`, '--net', '--mount', ...daemonArgv(dir, flags)], {
        logFile: join(dir, 'dockerd.log'),
        env,
      });
      await until('the engine answers', { seconds: 60 }, async () => {
        await lab.docker(['version']);
        return true;
      });
      await importImage(engine, env);
    },
    async stop(signal = 'SIGTERM') {
      await daemon?.stop(signal);
      endContainerd(dir);
    },
    docker: (args, options = {}) => run([engine.docker, ...args], { ...options, env: { ...env, ...options.env } }),
    async addContainer(name, args = [], command = ['sleep', '100000']) {
      await lab.docker(['run', '-d', '--name', name, '--network', 'warren', ...args, image, ...command]);
      return inspect(lab, name);
    },
    output: () => daemon?.output() ?? '',
  };
  return lab;
}

/** A small image made of busybox alone; `sh`, `httpd`, `nc`, `nslookup`, `wget`, `ping`, … */
export const image = 'warren-test:1';

export async function inspect(lab: LabDocker, name: string): Promise<DockerContainer> {
  const { stdout } = await lab.docker(['inspect', name]);
  const [found] = JSON.parse(stdout) as {
    Id: string;
    State: { Pid: number };
    NetworkSettings: { Networks: Record<string, { IPAddress?: string; GlobalIPv6Address?: string }> };
  }[];
  if (found === undefined) throw new Error(`${name} is not there`);
  const pid = found.State.Pid;
  return {
    name,
    id: found.Id,
    pid,
    addresses: Object.values(found.NetworkSettings.Networks).flatMap((one) =>
      [one.IPAddress ?? '', one.GlobalIPv6Address ?? ''].filter((address) => address !== ''),
    ),
    run: (argv, options) => run(['nsenter', `--target=${pid}`, '--net', ...argv], options),
  };
}

/** One that outlives its killed daemon for a moment keeps the next one from starting its own. */
function endContainerd(dir: string): void {
  const folder = join(dir, 'exec/containerd');
  const pid = existsSync(join(folder, 'containerd.pid')) ? Number(readFileSync(join(folder, 'containerd.pid'))) : 0;
  const isThere = pid > 0 && existsSync(`/proc/${pid}/cmdline`);
  if (isThere && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)) process.kill(pid, 'SIGKILL');
  for (const file of ['containerd.pid', 'containerd.sock']) rmSync(join(folder, file), { force: true });
}

const daemonArgv = (dir: string, flags: readonly string[]): string[] => [
  'dockerd',
  `--data-root=${dir}/data`,
  `--exec-root=${dir}/exec`,
  `--host=unix://${dir}/docker.sock`,
  `--pidfile=${dir}/docker.pid`,
  `--config-file=${dir}/daemon.json`,
  '--bip=172.31.1.1/24',
  ...flags,
];

/** Its own /run/docker, a sysfs of the host's network namespace, and the machine's cgroups below it. */
const keeperScript = `set -e
mount --bind "$0/run" /run/docker
if [ -e "$0/resolv.conf" ]; then mount --bind "$0/resolv.conf" /etc/resolv.conf; fi
mount --rbind /sys/fs/cgroup "$0/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$0/cgroup" /sys/fs/cgroup
umount -l "$0/cgroup"
touch "$0/keeper.ok"
exec sleep infinity`;

async function startKeeper(host: LabHost, dir: string): Promise<{ readonly pid: number }> {
  const unshared = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', keeperScript, dir];
  const child = spawn('nsenter', [`--net=/run/netns/${host.namespace}`, ...unshared], {
    stdio: 'ignore',
    detached: true,
  });
  child.unref();
  await until('the mounts of the engine are there', { seconds: 10 }, () => existsSync(join(dir, 'keeper.ok')));
  return { pid: child.pid ?? -1 };
}

async function importImage(engine: Engine, env: Record<string, string>): Promise<void> {
  const { stdout } = await run([engine.docker, 'images', '-q', image], { env });
  if (stdout.trim() === '') await run([engine.docker, 'import', engine.imageFile, image], { env });
}
