/**
 * Whether a peer is there, by what this host sees itself. An answer to a probe says yes. Silence alone says nothing, for an
 * agent may be stopped while its tunnel goes on: before a peer counts as dead its tunnel is asked too, and whatever
 * comes out of the tunnel later takes the verdict back.
 */
import type { PublicKey } from '../../shared/wireguard.ts';

export type Verdict = 'alive' | 'dead';

/** What is seen of a peer now. */
export interface Signs {
  /** A way to it works. */
  readonly isProven: boolean;
  /** It was asked often enough on every way, and nothing came. */
  readonly isSilent: boolean;
  /** Milliseconds since 1970; 0 for never. */
  readonly handshakeAt: number;
  readonly isHandshakeFresh: boolean;
  readonly rxBytes: number;
}

export interface Liveness {
  /** Takes note of what is seen. */
  see(peer: PublicKey, signs: Signs, now: number): void;
  forget(isKnown: (peer: PublicKey) => boolean): void;
  verdict(peer: PublicKey): Verdict | undefined;
}

export interface LivenessOptions {
  /** Asks through the tunnel; true where anything came back. */
  readonly askTunnel: (peer: PublicKey) => Promise<boolean>;
  readonly onVerdict: (peer: PublicKey, verdict: Verdict | undefined) => void;
}

interface Record {
  verdict: Verdict | undefined;
  readonly firstSeenAt: number;
  /** While the tunnel is asked; afterwards when it last answered. */
  isAsking: boolean;
  tunnelAt: number;
  /** As of the verdict `dead`. */
  handshakeAt: number;
  rxBytes: number;
}

/** A host that has just come may need so long to hear of this one. */
const graceMs = 10_000;
/** A tunnel that answered is believed so long while the agent behind it does not. */
const tunnelMs = 8_000;

export function createLiveness({ askTunnel, onVerdict }: LivenessOptions): Liveness {
  const records = new Map<PublicKey, Record>();
  const decide = (peer: PublicKey, record: Record, verdict: Verdict | undefined, signs: Signs): void => {
    if (record.verdict === verdict) return;
    record.verdict = verdict;
    record.handshakeAt = signs.handshakeAt;
    record.rxBytes = signs.rxBytes;
    onVerdict(peer, verdict);
  };
  const ask = async (peer: PublicKey, record: Record, signs: Signs, now: number): Promise<void> => {
    record.isAsking = true;
    const isAnswering = await askTunnel(peer).catch(() => true);
    record.isAsking = false;
    if (isAnswering) record.tunnelAt = now;
    // What was proven meanwhile counts more.
    else if (records.get(peer) === record && record.verdict !== 'alive') decide(peer, record, 'dead', signs);
  };
  return {
    see: (peer, signs, now) => {
      const record = records.get(peer) ?? newRecord(now);
      records.set(peer, record);
      if (signs.isProven) return decide(peer, record, 'alive', signs);
      if (record.verdict === 'dead') {
        const isHeard = signs.handshakeAt > record.handshakeAt || signs.rxBytes > record.rxBytes;
        if (isHeard) {
          record.tunnelAt = now;
          decide(peer, record, undefined, signs);
        }
        return;
      }
      if (!signs.isSilent || now - record.firstSeenAt < graceMs) return;
      decide(peer, record, undefined, signs);
      if (!signs.isHandshakeFresh) return decide(peer, record, 'dead', signs);
      if (!record.isAsking && now - record.tunnelAt >= tunnelMs) void ask(peer, record, signs, now);
    },
    forget: (isKnown) => {
      for (const peer of records.keys()) if (!isKnown(peer)) records.delete(peer);
    },
    verdict: (peer) => records.get(peer)?.verdict,
  };
}

const newRecord = (now: number): Record => ({
  verdict: undefined,
  firstSeenAt: now,
  isAsking: false,
  tunnelAt: -Infinity,
  handshakeAt: 0,
  rxBytes: 0,
});
