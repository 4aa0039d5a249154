/** Steps that bring peers from what the interface has to what the map says: one peer at a time, never all anew. */
import type { Cidr } from '../../shared/net/cidr.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { Desired, DesiredPeer } from './desired.ts';
import { type EndpointMemory, chooseEndpoint, isHandshakeFresh } from './endpoints.ts';
import type { ObservedPeer } from './observed.ts';
import type { AllowedIpsChange, PeerSet, Step } from './step.ts';

type Peers = ReadonlyMap<PublicKey, ObservedPeer>;

export interface PeerSteps {
  readonly sets: Step[];
  readonly removes: Step[];
}

export function planPeers(desired: Desired, observed: Peers, memory: EndpointMemory, now: number): PeerSteps {
  const moved = prefixesThatMove(desired, observed);
  const sets: Step[] = [];
  const removes: Step[] = [];
  for (const peer of desired.peers.values()) {
    const seen = observed.get(peer.publicKey);
    const step = planPeer(desired, peer, seen, moved, memory, now);
    if (step !== undefined) sets.push(step);
    const isMade = seen === undefined || (step?.kind === 'peer-set' && step.isAnew === true);
    const change = isMade ? undefined : planPresharedKey(desired.interfaceName, peer, seen);
    if (change !== undefined) sets.push(change);
  }
  for (const publicKey of observed.keys()) {
    if (desired.peers.has(publicKey)) continue;
    removes.push({
      kind: 'peer-remove',
      interfaceName: desired.interfaceName,
      publicKey,
      why: 'the map has no host with this key',
    });
  }
  return { sets, removes };
}

function planPeer(
  desired: Desired,
  peer: DesiredPeer,
  observed: ObservedPeer | undefined,
  moved: ReadonlyMap<Cidr, PublicKey>,
  memory: EndpointMemory,
  now: number,
): Step | undefined {
  const { interfaceName } = desired;
  const { publicKey } = peer;
  const endpoint = chooseEndpoint(peer, observed, memory.get(publicKey), now);
  const why = whyToSet(peer, observed, moved);
  const change = endpoint === undefined ? allowedIpsChange(peer, observed, moved) : undefined;
  const isAnew = isMadeAnew(peer, observed, now);
  if (why !== undefined || isAnew) {
    const step: PeerSet = {
      kind: 'peer-set',
      interfaceName,
      publicKey,
      allowedIps: peer.allowedIps,
      keepaliveSeconds: peer.keepaliveSeconds,
      ...endpointOf(isAnew ? peer.path?.best : endpoint),
      ...((observed === undefined || isAnew) && peer.presharedKey !== undefined
        ? { presharedKey: peer.presharedKey }
        : {}),
      ...(isAnew ? { isAnew: true as const } : change === undefined ? {} : { change }),
    };
    return { ...step, why: `${peer.name}: ${why ?? 'it answers there'}` };
  }
  if (endpoint === undefined) return undefined;
  const tried = observed?.hasEndpoint === true ? 'no handshake at the one before' : 'it has none';
  return { kind: 'peer-endpoint', interfaceName, publicKey, endpoint, why: `${peer.name}: ${tried}` };
}

/** Only handshakes use the preshared key, so this step disturbs no session. */
function planPresharedKey(interfaceName: string, peer: DesiredPeer, observed: ObservedPeer): Step | undefined {
  const { name, publicKey, presharedKey } = peer;
  if (observed.presharedKeyId === presharedKey?.id) return undefined;
  const why =
    presharedKey === undefined
      ? 'it has a preshared key that was not agreed on'
      : 'another preshared key was agreed on';
  return { kind: 'peer-psk', interfaceName, publicKey, presharedKey, why: `${name}: ${why}` };
}

/**
 * WireGuard sends a peer one initiation in five seconds, wherever it went. One that has no session loses nothing when it
 * is made anew, and is tried at once where it is known to answer.
 */
function isMadeAnew({ path }: DesiredPeer, observed: ObservedPeer | undefined, now: number): boolean {
  if (path?.isKickDue !== true || observed === undefined) return false;
  return observed.hasEndpoint && !isHandshakeFresh(observed, now);
}

const endpointOf = (endpoint: Endpoint | undefined): { endpoint?: Endpoint } =>
  endpoint === undefined ? {} : { endpoint };

function whyToSet(
  peer: DesiredPeer,
  observed: ObservedPeer | undefined,
  moved: ReadonlyMap<Cidr, PublicKey>,
): string | undefined {
  if (observed === undefined) return 'the interface has no such peer';
  if (observed.keepaliveSeconds !== peer.keepaliveSeconds) return 'its keepalive differs';
  return isSameSet(keptPrefixes(peer, observed, moved), peer.allowedIps) ? undefined : 'its allowed IPs differ';
}

/** The kernel takes a prefix away from its old peer by itself, so giving it to the new one is the whole move. */
function keptPrefixes(
  { publicKey }: DesiredPeer,
  observed: ObservedPeer,
  moved: ReadonlyMap<Cidr, PublicKey>,
): readonly Cidr[] {
  return observed.allowedIps.filter((prefix) => {
    const owner = moved.get(prefix);
    return owner === undefined || owner === publicKey;
  });
}

/** Undefined where more than the allowed IPs differs. */
function allowedIpsChange(
  peer: DesiredPeer,
  observed: ObservedPeer | undefined,
  moved: ReadonlyMap<Cidr, PublicKey>,
): AllowedIpsChange | undefined {
  if (observed === undefined) return undefined;
  if (observed.keepaliveSeconds !== peer.keepaliveSeconds) return undefined;
  const have = new Set(observed.allowedIps);
  const wanted = new Set(peer.allowedIps);
  return {
    added: peer.allowedIps.filter((prefix) => !have.has(prefix)),
    removed: keptPrefixes(peer, observed, moved).filter((prefix) => !wanted.has(prefix)),
  };
}

/** Prefix -> new owner, for every prefix that another peer holds now. */
function prefixesThatMove(desired: Desired, observed: Peers): ReadonlyMap<Cidr, PublicKey> {
  const holder = new Map<Cidr, PublicKey>();
  for (const [key, { allowedIps }] of observed) for (const prefix of allowedIps) holder.set(prefix, key);
  const moved = new Map<Cidr, PublicKey>();
  for (const [key, { allowedIps }] of desired.peers) {
    for (const prefix of allowedIps) {
      const now = holder.get(prefix);
      if (now !== undefined && now !== key) moved.set(prefix, key);
    }
  }
  return moved;
}

/** `wanted` has no duplicates, and neither has what the kernel lists. */
function isSameSet(have: readonly Cidr[], wanted: readonly Cidr[]): boolean {
  if (have.length !== wanted.length) return false;
  if (have.every((prefix, i) => prefix === wanted[i])) return true;
  const all = new Set(have);
  return wanted.every((prefix) => all.has(prefix));
}
