/** WireGuard's own tool: `wg show`, `wg set` (wg(8)). Public keys of peers by argv, secret ones by file only. */
import type { Cidr } from '../../shared/net/cidr.ts';
import { type Endpoint, parseEndpoint } from '../../shared/net/endpoint.ts';
import { Secret } from '../../shared/secret.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { ObservedPeer, ObservedWireguard } from '../plan/observed.ts';
import type { PresharedKeyId } from '../plan/preshared.ts';
import type { PeerSet } from '../plan/step.ts';
import { presharedKeyId } from './preshared-key.ts';
import type { System } from './run.ts';

/** Undefined where no such WireGuard interface answers. */
export async function showInterface(system: System, name: string): Promise<ObservedWireguard | undefined> {
  const { stdout, exitCode } = await system.run({ argv: ['wg', 'show', name, 'dump'], okCodes: [0, 1] });
  return exitCode === 0 ? parseDump(stdout) : undefined;
}

export async function showPeers(system: System, name: string): Promise<ReadonlySet<PublicKey> | undefined> {
  const { stdout, exitCode } = await system.run({ argv: ['wg', 'show', name, 'peers'], okCodes: [0, 1] });
  return exitCode === 0 ? new Set(stdout.split('\n').filter((line) => line !== '') as PublicKey[]) : undefined;
}

/** Of peers that have one. */
export async function showPresharedKeys(system: System, name: string): Promise<ReadonlyMap<PublicKey, Secret>> {
  const { stdout } = await system.run({ argv: ['wg', 'show', name, 'preshared-keys'] });
  const rows = stdout.split('\n').map((line) => line.split('\t'));
  const keys = new Map<PublicKey, Secret>();
  for (const [peer, key] of rows)
    if (peer !== undefined && key !== undefined && key !== '(none)') keys.set(peer as PublicKey, new Secret(key));
  return keys;
}

/**
 * Tab-separated lines as wg(8) describes: the first has private key, public key, port, fwmark, the others one peer
 * each. The private key is dropped here and goes nowhere; of preshared keys their names stay.
 */
export function parseDump(text: string): ObservedWireguard | undefined {
  const [first, ...rest] = text.split('\n').filter((line) => line !== '');
  const fields = first?.split('\t') ?? [];
  if (fields.length < 4) return undefined;
  const peers = new Map<PublicKey, ObservedPeer>();
  for (const line of rest) {
    const peer = parsePeer(line.split('\t'));
    if (peer !== undefined) peers.set(peer.publicKey, peer);
  }
  return { publicKey: orNone(fields[1]) as PublicKey | undefined, listenPort: Number(fields[2]), peers };
}

function parsePeer(fields: readonly string[]): ObservedPeer | undefined {
  const [key, preshared, endpoint, allowed, handshake, rx, tx, keepalive] = fields;
  if (key === undefined || keepalive === undefined) return undefined;
  return {
    publicKey: key as PublicKey,
    endpoint: readEndpoint(endpoint),
    hasEndpoint: orNone(endpoint) !== undefined,
    presharedKeyId: readPresharedKey(preshared),
    allowedIps: (orNone(allowed)?.split(',') ?? []) as Cidr[],
    handshakeAt: Number(handshake) * 1000,
    rxBytes: Number(rx),
    txBytes: Number(tx),
    keepaliveSeconds: keepalive === 'off' ? 0 : Number(keepalive),
  };
}

const readPresharedKey = (field: string | undefined): PresharedKeyId | undefined =>
  field === undefined || field === '(none)' ? undefined : presharedKeyId(field);

const orNone = (field: string | undefined): string | undefined => (field === '(none)' ? undefined : field);

function readEndpoint(field: string | undefined): Endpoint | undefined {
  try {
    return field === undefined ? undefined : parseEndpoint(field);
  } catch {
    return undefined;
  }
}

/** Arguments of `wg set <interface>` for one peer. */
export function peerArguments(peer: PeerSet): string[] {
  return [
    ...(peer.isAnew === true ? ['peer', peer.publicKey, 'remove'] : []),
    'peer',
    peer.publicKey,
    ...(peer.presharedKey === undefined ? [] : ['preshared-key', peer.presharedKey.file]),
    ...(peer.endpoint === undefined ? [] : ['endpoint', peer.endpoint]),
    'persistent-keepalive',
    String(peer.keepaliveSeconds),
    'allowed-ips',
    peer.allowedIps.join(','),
  ];
}
