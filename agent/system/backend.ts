/**
 * Where the WireGuard interface comes from: the kernel, or the newest wireguard-go found. wireguard-go makes itself a
 * daemon, and is started in a session of its own, so that neither the agent's end nor its terminal's takes the tunnel.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { WarrenError } from '../../shared/errors.ts';
import type { Observed } from '../plan/observed.ts';
import type { HostSettings } from '../plan/settings.ts';
import type { System } from './run.ts';

export interface Backend {
  readonly kind: 'kernel' | 'wireguard-go' | 'none';
  readonly version: string;
  /** True for builds before 2023, which are four to five times slower. */
  readonly isSlow: boolean;
}

const installed = ['wireguard-go', '/usr/local/lib/warren/wireguard-go'] as const;
const socketOf = (name: string): string => `/var/run/wireguard/${name}.sock`;
const socketPatienceMs = 2_000;

/** Makes the interface, without key, down. Throws `backend-unavailable` when neither backend works. */
export async function createWireguard(system: System, settings: HostSettings): Promise<void> {
  const name = settings.interfaceName;
  const argv = ['ip', 'link', 'add', 'dev', name, 'type', 'wireguard'] as const;
  const { exitCode, stderr } = await system.run({ argv, okCodes: [0, 1, 2] });
  if (exitCode === 0) return;
  if (!/Unknown device type|not supported/i.test(stderr)) {
    throw new WarrenError('command-failed', `'${argv.join(' ')}' failed: ${stderr.trim()}`);
  }
  await startWireguardGo(system, settings);
}

export async function describeBackend(system: System, settings: HostSettings, observed: Observed): Promise<Backend> {
  const kind = observed.links.get(settings.interfaceName)?.kind;
  if (kind === undefined || observed.wireguard === undefined) return { kind: 'none', version: '', isSlow: false };
  if (kind === 'wireguard') {
    const version = await system.readSysctl('kernel/osrelease');
    return { kind: 'kernel', version: (version ?? '').slice(0, 64), isSlow: false };
  }
  const { version = '' } = (await newestWireguardGo(system, settings)) ?? {};
  return { kind: 'wireguard-go', version, isSlow: version !== '' && isOlder(version, [0, 0, 20230000]) };
}

async function startWireguardGo(system: System, settings: HostSettings): Promise<void> {
  const name = settings.interfaceName;
  const newest = await newestWireguardGo(system, settings);
  if (newest === undefined) {
    throw new WarrenError(
      'backend-unavailable',
      'this kernel has no WireGuard and no wireguard-go was found; install the Debian package wireguard-go (2023 or later, from backports)',
    );
  }
  if (!(await system.fileExists('/dev/net/tun'))) {
    throw new WarrenError(
      'backend-unavailable',
      'this kernel has no WireGuard, and wireguard-go needs /dev/net/tun, which is missing; make it available (modprobe tun, or the device in the container)',
    );
  }
  await awaitFreeSocket(system, name);
  await system.run({ argv: [newest.path, name], isDetached: true });
}

/**
 * The control socket's name is the interface's, for all network namespaces of one file system. A dying daemon of ours
 * holds it for a moment; one that stays belongs to another namespace. `wg` itself removes a socket nobody listens on.
 */
async function awaitFreeSocket(system: System, name: string): Promise<void> {
  const deadline = performance.now() + socketPatienceMs;
  while (await system.fileExists(socketOf(name))) {
    const { exitCode } = await system.run({ argv: ['wg', 'show', name, 'public-key'], okCodes: [0, 1] });
    if (exitCode !== 0) return;
    if (performance.now() > deadline) {
      throw new WarrenError(
        'backend-unavailable',
        `a wireguard-go in another network namespace has ${socketOf(name)}; set WARREN_INTERFACE to a name that is free`,
      );
    }
    await delay(50);
  }
}

async function newestWireguardGo(
  system: System,
  settings: HostSettings,
): Promise<{ path: string; version: string } | undefined> {
  const paths = settings.wireguardGo === undefined ? installed : [settings.wireguardGo];
  let newest: { path: string; version: string } | undefined;
  for (const path of paths) {
    const version = await versionOf(system, path);
    if (version === undefined) continue;
    if (newest === undefined || isOlder(newest.version, numbers(version))) newest = { path, version };
  }
  return newest;
}

/** First line: `wireguard-go v0.0.20230223` or `wireguard-go 0.0.20220316`. */
async function versionOf(system: System, path: string): Promise<string | undefined> {
  try {
    const { stdout } = await system.run({ argv: [path, '--version'] });
    return /^wireguard-go v?(\d[0-9.]{0,60})/m.exec(stdout)?.[1] ?? '0';
  } catch (error) {
    if (error instanceof WarrenError) return undefined;
    throw error;
  }
}

const numbers = (version: string): number[] => version.split('.').map(Number);

function isOlder(version: string, than: readonly number[]): boolean {
  const own = numbers(version);
  for (let i = 0; i < Math.max(own.length, than.length); i += 1) {
    const difference = (own[i] ?? 0) - (than[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
