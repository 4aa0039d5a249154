/**
 * What goes over a relay's TLS stream: one frame per UDP packet. Pure.
 *
 * | bytes | what                                                                           |
 * | ----- | ------------------------------------------------------------------------------ |
 * | 2     | length of the packet                                                           |
 * | 8     | host to relay: whom it is for; relay to host: whom it is from (`senderOf` a key) |
 * | …     | the packet; empty with an id of zeros: a beat, which only says that one is there |
 */
import { WarrenError } from '../../shared/errors.ts';
import { probeMagic } from '../probe/wire.ts';
import { type ProbeId, relayKinds } from '../relay/wire.ts';

export interface Frame {
  readonly peer: ProbeId;
  readonly payload: Buffer;
}

const headBytes = 10;
/** The largest packet of the largest tunnel (MTU 9000) and WireGuard's 32 bytes around it, padded to 16. */
export const mostPayloadBytes = 9_072;

export const beat: Buffer = Buffer.alloc(headBytes);
export const isBeat = ({ payload }: Frame): boolean => payload.length === 0;

export function encodeFrame({ peer, payload }: Frame): Buffer {
  const bytes = Buffer.allocUnsafe(headBytes + payload.length);
  bytes.writeUInt16BE(payload.length, 0);
  bytes.write(peer, 2, 'hex');
  payload.copy(bytes, headBytes);
  return bytes;
}

/** Cuts what comes, in whatever pieces, into frames. Throws `request-invalid` at one that no host sends. */
export function createFrameReader(): (chunk: Buffer) => Frame[] {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const frames: Frame[] = [];
    let at = 0;
    while (bytes.length - at >= headBytes) {
      const length = bytes.readUInt16BE(at);
      if (length > mostPayloadBytes)
        throw new WarrenError('request-invalid', `a frame of ${length} bytes is longer than ${mostPayloadBytes}`);
      const end = at + headBytes + length;
      if (bytes.length < end) break;
      frames.push({
        peer: bytes.toString('hex', at + 2, at + headBytes),
        payload: bytes.subarray(at + headBytes, end),
      });
      at = end;
    }
    rest = bytes.subarray(at);
    return frames;
  };
}

/** True for what goes from host to host: WireGuard's messages and the probes of the two, see `agent/relay/table.ts`. */
export function isBetweenHosts(payload: Buffer): boolean {
  if (payload.length < 8) return false;
  const start = payload.readUInt32BE(0);
  if (start === probeMagic) return payload.readUInt8(4) < relayKinds.ask;
  return start === 0x01000000 || start === 0x02000000 || start === 0x03000000 || start === 0x04000000;
}
