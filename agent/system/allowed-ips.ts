/**
 * Gives prefixes to a peer and takes them away without a moment in which it has none. `wg set … allowed-ips` empties the
 * list before it fills it again, and a packet that comes in between is lost. So prefixes are added to the list: by
 * wireguard-go's own interface (https://www.wireguard.com/xplatform/), which appends unless told to replace, or by a
 * `wg` of 2025, which knows `+`. They are taken away by giving them to a peer that nobody is, which is then removed:
 * WireGuard lets a prefix live on one peer.
 */
import type { Cidr } from '../../shared/net/cidr.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { System } from './run.ts';

export interface PeerPrefixes {
  readonly publicKey: PublicKey;
  readonly prefixes: readonly Cidr[];
}

/** SHA-256 of `warren: nobody`, a point nobody has the private half of. */
const nobody = 'N0FuYLaur8AM9RnEUbAbASkxuuyLJQwXtSbWzxPZSbA=';

/** Throws `unreachable` or `command-failed` where neither way exists; nothing is changed then. */
export async function addPrefixes(
  system: System,
  interfaceName: string,
  peers: readonly PeerPrefixes[],
): Promise<void> {
  const socket = `/var/run/wireguard/${interfaceName}.sock`;
  if (await system.fileExists(socket)) return addBySocket(system, socket, peers);
  const words = peers.flatMap(({ publicKey, prefixes }) => [
    'peer',
    publicKey,
    'allowed-ips',
    prefixes.map((prefix) => `+${prefix}`).join(','),
  ]);
  await system.run({ argv: ['wg', 'set', interfaceName, ...words] });
}

async function addBySocket(system: System, socket: string, peers: readonly PeerPrefixes[]): Promise<void> {
  const lines = peers.flatMap(({ publicKey, prefixes }) => [
    `public_key=${Buffer.from(publicKey, 'base64').toString('hex')}`,
    'update_only=true',
    ...prefixes.map((prefix) => `allowed_ip=${prefix}`),
  ]);
  const reply = await system.exchange(socket, `set=1\n${lines.join('\n')}\n\n`);
  if (!/^errno=0$/m.test(reply)) throw new RangeError(`the tunnel refused prefixes: ${reply.trim()}`);
}

export async function removePrefixes(system: System, interfaceName: string, prefixes: readonly Cidr[]): Promise<void> {
  const words = ['peer', nobody, 'allowed-ips', prefixes.join(','), 'peer', nobody, 'remove'];
  await system.run({ argv: ['wg', 'set', interfaceName, ...words] });
}
