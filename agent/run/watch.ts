/** Looks every second which peers are there, and wakes the reconciler when that changed. */
import type { HostRecord, NetworkMap } from '../../shared/network-map.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { Timer } from '../clock.ts';
import { type Verdict, createLiveness } from '../paths/liveness.ts';
import type { PathRoom } from '../paths/room.ts';
import { judgeHosts } from '../plan/desire/judged.ts';
import type { Desired, DesiredPeer } from '../plan/desired.ts';
import { isHandshakeFresh } from '../plan/endpoints.ts';
import type { Reconciler } from '../reconcile.ts';
import type { Context } from './context.ts';

export interface Watch {
  setPeers(peers: Desired['peers']): void;
  verdicts(): ReadonlyMap<PublicKey, Verdict>;
  /** The map with the verdicts in it; the same object as long as neither changes. */
  judge(map: NetworkMap): NetworkMap;
  stop(): void;
}

const everyMs = 1_000;

/** Without probes nothing is judged, and the server's word stands. */
export function startWatch(
  { clock, log, membership, system }: Context,
  room: PathRoom | undefined,
  reconciler: () => Pick<Reconciler, 'wake' | 'wireguard'>,
): Watch {
  let peers: ReadonlyMap<PublicKey, DesiredPeer> = new Map();
  let timer: Timer | undefined;
  let judged: { readonly told: NetworkMap; readonly map: NetworkMap } | undefined;
  const liveness = createLiveness({
    askTunnel: async (key) => {
      const host = membership.map()?.hosts.find(({ publicKey }) => publicKey === key);
      const [address] = host?.addresses ?? [];
      if (address === undefined) return true;
      const argv = ['ping', '-n', '-q', '-c', '3', '-i', '0.2', '-W', '1', address] as const;
      // 1: nothing came back.
      return (await system.run({ argv, timeoutMs: 10_000, okCodes: [0, 1] })).exitCode === 0;
    },
    onVerdict: (key, verdict) => {
      const host = peers.get(key)?.name;
      if (verdict === 'dead') log.info({ host }, 'host is dead, senders are told');
      else log.debug({ host, verdict }, 'liveness');
      judged = undefined;
      reconciler().wake();
    },
  });
  const turn = (): void => {
    const now = clock.now();
    const wireguard = reconciler().wireguard();
    for (const key of peers.keys()) {
      const seen = wireguard?.peers.get(key);
      if (room === undefined || seen === undefined) continue;
      const { handshakeAt, rxBytes } = seen;
      const isProven = room.best(key) !== undefined;
      const isSilent = !isProven && room.isSilent(key);
      const signs = { isProven, isSilent, handshakeAt, rxBytes, isHandshakeFresh: isHandshakeFresh(seen, now) };
      liveness.see(key, signs, now);
    }
    timer = clock.after(everyMs, turn);
  };
  const verdicts = (): Map<PublicKey, Verdict> => {
    const known = new Map<PublicKey, Verdict>();
    for (const key of peers.keys()) {
      const verdict = liveness.verdict(key);
      if (verdict !== undefined) known.set(key, verdict);
    }
    return known;
  };
  if (room !== undefined) turn();
  return {
    setPeers: (wanted) => {
      peers = wanted;
      judged = undefined;
      liveness.forget((key) => wanted.has(key));
    },
    verdicts,
    judge: (map) => {
      if (judged?.told !== map) judged = { told: map, map: judgeHosts(map, verdicts()) };
      return judged.map;
    },
    stop: () => timer?.cancel(),
  };
}

/** Hosts that carry a prefix which another one offers, too. */
export function standIns(hosts: readonly HostRecord[]): ReadonlySet<PublicKey> {
  const offers = new Map<string, PublicKey[]>();
  for (const { publicKey, subnets } of hosts) {
    for (const { prefix } of subnets) offers.set(prefix, [...(offers.get(prefix) ?? []), publicKey]);
  }
  return new Set([...offers.values()].filter((keys) => keys.length > 1).flat());
}
