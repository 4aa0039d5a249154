/**
 * What hosts and relays say to each other, as bodies of probes. All are of one size, so that an answer is never larger
 * than its question; what a message does not need is zero.
 *
 * | bytes | what                                                                |
 * | ----- | ------------------------------------------------------------------- |
 * | 2     | the asker's port at the relay; the kernel sends challenges from it  |
 * | 2     | how it stands, by kind                                              |
 * | 8     | the partner, as `senderOf` its key                                  |
 * | 16    | the challenge                                                       |
 */

/** From 16 on: the kernel forwards lower ones between the two hosts and keeps these for the relay itself. */
export const relayKinds = {
  /** Host to relay: a port for me and this partner. */
  ask: 16,
  /** Relay to host: this port, or 0 and why not. */
  grant: 17,
  /** Relay to host: this partner waits for you behind this port. */
  invite: 18,
  /** Host to the port: it is mine. */
  claim: 19,
  /** Port to where the claim came from: if so, say this. */
  challenge: 20,
  /** Host to the port: the challenge. */
  echo: 21,
  /** Port to host: what comes from you is forwarded, once `isThrough`. */
  ready: 22,
  /** Relay to host, from WireGuard's port: this partner sends to you over TLS, come there. */
  knock: 23,
} as const;

/** Those that leave from the pair's port and not from WireGuard's. */
export const fromPort: readonly number[] = [relayKinds.challenge, relayKinds.ready];

/** 16 hexadecimal digits that stand for a host's key, see `senderOf`. */
export type ProbeId = string;

export const refusals = ['none', 'no-relay', 'unknown-host', 'full', 'too-many', 'lost'] as const;
export type RelayRefusal = (typeof refusals)[number];

export interface RelayBody {
  /** 0: none. */
  readonly port: number;
  /** Of a grant without a port: index in `refusals`. Of `ready`: 1 when both sides are in the kernel. */
  readonly standing: number;
  readonly partner: ProbeId;
  /** 32 hexadecimal digits. */
  readonly challenge: string;
}

export const noChallenge = '0'.repeat(32);
export const relayBodyBytes = 28;

export function encodeBody({ port, standing, partner, challenge }: RelayBody): Buffer {
  const bytes = Buffer.alloc(relayBodyBytes);
  bytes.writeUInt16BE(port, 0);
  bytes.writeUInt16BE(standing, 2);
  bytes.write(partner, 4, 'hex');
  bytes.write(challenge, 12, 'hex');
  return bytes;
}

/** Undefined for what is none. */
export function decodeBody(bytes: Buffer): RelayBody | undefined {
  if (bytes.length !== relayBodyBytes) return undefined;
  return {
    port: bytes.readUInt16BE(0),
    standing: bytes.readUInt16BE(2),
    partner: bytes.toString('hex', 4, 12),
    challenge: bytes.toString('hex', 12, 28),
  };
}
