/**
 * What a host may have beside Warren, as Debian has it, unpacked by `test/setup.sh`: a system bus, systemd-resolved,
 * firewalld, UFW. Each host of a lab has its own, in its network namespace; the lab's end ends what runs there.
 */
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lab-config.ts';
import type { LabHost } from './lab-host.ts';
import { inside } from './namespace.ts';
import { type Running, startProcess } from './process.ts';
import { until } from './wait.ts';

const unpacked = join(root, '.cache/platforms/root');

/** Why they cannot be had; undefined where they can. */
export const whyNoPlatforms = (): string | undefined =>
  existsSync(unpacked) ? undefined : `${unpacked} is missing; run sh test/setup.sh`;

export const platformFile = (path: string): string => join(unpacked, path);

const policy = ['own', 'send_type', 'receive_type']
  .flatMap((kind) =>
    kind === 'own'
      ? ['own="*"']
      : ['method_call', 'signal', 'method_return', 'error'].map((type) => `${kind}="${type}"`),
  )
  .map((attribute) => `<allow ${attribute}/>`)
  .join('');

/** Starts a system bus for the host; its programs find it by the environment that is answered. */
export async function startBus(host: LabHost): Promise<Readonly<Record<string, string>>> {
  const socket = join(host.dir, 'bus');
  const config = join(host.dir, 'bus.conf');
  writeFileSync(
    config,
    `<busconfig><type>system</type><listen>unix:path=${socket}</listen><auth>EXTERNAL</auth><policy context="default"><allow user="*"/>${policy}</policy></busconfig>`,
  );
  const argv = ['dbus-daemon', '--nofork', '--nopidfile', `--config-file=${config}`];
  startProcess(inside(host.namespace, argv), { logFile: join(host.dir, 'bus.log') });
  await until('the bus is there', { seconds: 10 }, () => existsSync(socket));
  const env = { DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${socket}` };
  Object.assign(host.settings, env);
  return env;
}

export interface LabResolved {
  /** Its folder, which on a real host is /run/systemd/resolve. */
  readonly folder: string;
  start(): Promise<void>;
  stop(signal: NodeJS.Signals): Promise<void>;
}

/** A user of its own, its folder in /run, its configuration: all in a mount namespace. */
const resolvedScript = `set -e
mount -t tmpfs tmpfs /run/systemd
mkdir /run/systemd/resolve
mount --bind "$0/resolve" /run/systemd/resolve
touch /run/systemd/bus
mount --bind "$0/bus" /run/systemd/bus
mount --bind "$0/passwd" /etc/passwd
mount --bind "$0/group" /etc/group
mkdir -p "$0/systemd"
printf '[Resolve]\\nDNS=%s\\nFallbackDNS=\\nLLMNR=no\\nMulticastDNS=no\\nCache=no-negative\\n' "$1" >"$0/systemd/resolved.conf"
mount --bind "$0/systemd" /etc/systemd
exec "$2"`;

/** `server`: whom it asks about everything else. */
export async function makeResolved(host: LabHost, server: string): Promise<LabResolved> {
  await startBus(host);
  // Its user cannot look into the folders of the lab.
  const env = { DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/run/systemd/bus' };
  const folder = join(host.dir, 'resolve');
  mkdirSync(folder);
  chownSync(folder, 996, 996);
  for (const [file, line] of [
    ['passwd', 'systemd-resolve:x:996:996::/:/usr/sbin/nologin'],
    ['group', 'systemd-resolve:x:996:'],
  ] as const)
    writeFileSync(join(host.dir, file), `${readFileSync(`/etc/${file}`, 'utf8').trimEnd()}\n${line}\n`);
  let running: Running | undefined;
  return {
    folder,
    async start() {
      const program = platformFile('lib/systemd/systemd-resolved');
      const unshared = [
        'unshare',
        '--mount',
        '--propagation',
        'private',
        'sh',
        '-c',
        resolvedScript,
        host.dir,
        server,
        program,
      ];
      running = startProcess(inside(host.namespace, unshared), { logFile: join(host.dir, 'resolved.log'), env });
      await until('resolved answers', { seconds: 20 }, async () => {
        if (!running?.isRunning()) throw new Error(`resolved ended: ${running?.output() ?? ''}`);
        await host.run(['busctl', '--system', 'status', 'org.freedesktop.resolve1'], { env: host.settings });
        return true;
      });
    },
    stop: async (signal) => running?.stop(signal),
  };
}

const python = {
  PYTHONPATH: platformFile('usr/lib/python3/dist-packages'),
  GI_TYPELIB_PATH: platformFile('usr/lib/x86_64-linux-gnu/girepository-1.0'),
  LD_LIBRARY_PATH: platformFile('usr/lib/x86_64-linux-gnu'),
};

export interface LabFirewalld {
  start(): Promise<void>;
  stop(signal: NodeJS.Signals): Promise<void>;
  /** `firewall-cmd` with these arguments. */
  command(...args: string[]): Promise<string>;
}

/** Debian's own configuration: the zone `public` for whatever no zone names. */
export async function makeFirewalld(host: LabHost): Promise<LabFirewalld> {
  const env = { ...(await startBus(host)), ...python };
  const config = join(host.dir, 'firewalld');
  for (const folder of ['zones', 'policies', 'services', 'icmptypes', 'ipsets', 'helpers'])
    mkdirSync(join(config, folder), { recursive: true });
  writeFileSync(join(config, 'firewalld.conf'), readFileSync(platformFile('etc/firewalld/firewalld.conf')));
  const argv = [
    'python3',
    platformFile('usr/sbin/firewalld'),
    '--nofork',
    '--nopid',
    `--system-config=${config}`,
    `--default-config=${platformFile('usr/lib/firewalld')}`,
    `--log-file=${join(host.dir, 'firewalld.log')}`,
  ];
  let running: Running | undefined;
  const lab: LabFirewalld = {
    async start() {
      running = startProcess(inside(host.namespace, argv), { logFile: join(host.dir, 'firewalld.out'), env });
      await until('firewalld runs', { seconds: 30 }, async () => (await lab.command('--state')) === 'running');
    },
    stop: async (signal) => running?.stop(signal),
    command: async (...args) =>
      (await host.run(['python3', platformFile('usr/bin/firewall-cmd'), ...args], { env })).stdout.trim(),
  };
  return lab;
}
