/**
 * Probes as bytes: what agents ask each other from WireGuard's own port. `docs/reach.md` has the table. A probe can never
 * be taken for a WireGuard message, whose first four bytes are a type of 1 to 4 and three zeros.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { type Family, addressBits, addressValue, formatAddress } from '../../shared/net/address.ts';
import { type Endpoint, makeEndpoint, splitEndpoint } from '../../shared/net/endpoint.ts';
import type { PublicKey } from '../../shared/wireguard.ts';

/** `WRP1`, as the kernel's rules match it. */
export const probeMagic = 0x57525031;

export const probeKinds = { ping: 1, pong: 2, ack: 3 } as const;

const headBytes = 24;
const macBytes = 16;
/** A probe with an empty body. */
export const leastProbeBytes = headBytes + macBytes;
/** What fits into any path's packet, and more: probes of path MTU are padded. */
export const mostProbeBytes = 9000;

export interface Probe {
  readonly kind: number;
  /** `senderOf` the key it comes from. */
  readonly sender: string;
  /** 8 bytes; an answer has the question's. */
  readonly transaction: Buffer;
  readonly body: Buffer;
}

/** 16 hexadecimal digits by which a host calls itself in its probes. */
export function senderOf(key: PublicKey): string {
  return createHash('sha256').update(Buffer.from(key, 'base64')).digest('hex').slice(0, 16);
}

export function encodeProbe(probe: Probe, key: Buffer): Buffer {
  const bytes = Buffer.alloc(headBytes + probe.body.length + macBytes);
  bytes.writeUInt32BE(probeMagic, 0);
  bytes.writeUInt8(probe.kind, 4);
  bytes.write(probe.sender, 8, 'hex');
  probe.transaction.copy(bytes, 16, 0, 8);
  probe.body.copy(bytes, headBytes);
  macOf(bytes, key).copy(bytes, bytes.length - macBytes);
  return bytes;
}

/** Nothing of it can be believed before `isGenuine`. Undefined for what is no probe. */
export function decodeProbe(bytes: Buffer): Probe | undefined {
  if (bytes.length < leastProbeBytes || bytes.readUInt32BE(0) !== probeMagic) return undefined;
  if (bytes.readUIntBE(5, 3) !== 0) return undefined;
  return {
    kind: bytes.readUInt8(4),
    sender: bytes.toString('hex', 8, 16),
    transaction: bytes.subarray(16, headBytes),
    body: bytes.subarray(headBytes, bytes.length - macBytes),
  };
}

export function isGenuine(bytes: Buffer, key: Buffer): boolean {
  return timingSafeEqual(macOf(bytes, key), bytes.subarray(bytes.length - macBytes));
}

const macOf = (bytes: Buffer, key: Buffer): Buffer =>
  createHmac('sha256', key)
    .update(bytes.subarray(0, bytes.length - macBytes))
    .digest()
    .subarray(0, macBytes);

/** Family, zero, port, and 16 bytes of address, of which IPv4 fills the first four. */
export const endpointBytes = 20;

export function encodeEndpoint(endpoint: Endpoint): Buffer {
  const { address, port } = splitEndpoint(endpoint);
  const { family, value } = addressValue(address);
  const bytes = Buffer.alloc(endpointBytes);
  bytes.writeUInt8(family, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.write(value.toString(16).padStart(addressBits(family) / 4, '0'), 4, 'hex');
  return bytes;
}

/** Undefined for what is no endpoint of a host. */
export function decodeEndpoint(bytes: Buffer): Endpoint | undefined {
  if (bytes.length < endpointBytes) return undefined;
  const family = bytes.readUInt8(0);
  if (!isFamily(family)) return undefined;
  const value = BigInt(`0x${bytes.toString('hex', 4, 4 + addressBits(family) / 8)}`);
  try {
    return makeEndpoint(formatAddress({ family, value }), bytes.readUInt16BE(2));
  } catch {
    return undefined;
  }
}

const isFamily = (value: number): value is Family => value === 4 || value === 6;
