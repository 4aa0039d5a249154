/**
 * What is asked and answered, 64 bytes both ways, so that nobody gets more than was sent in his name. Pure.
 *
 *     0  WRR1
 *     4  kind: 1 ask, 2 answer
 *     5  zero
 *     8  transaction, the asker's
 *    16  in an answer: family 4 or 6, zero, port, 16 bytes of address of which IPv4 takes the first 4; else zero
 *    36  zero
 */
import { type Address, addressValue } from '../../shared/net/address.ts';

const packetBytes = 64;
const askHead = Buffer.from('WRR1\x01\0\0\0', 'latin1');
const answerHead = Buffer.from('WRR1\x02\0\0\0', 'latin1');
const nothing = Buffer.alloc(packetBytes - 16);

/** The transaction of a well-formed ask; undefined for everything else, answers among it. */
export function readAsk(bytes: Buffer): Buffer | undefined {
  if (bytes.length !== packetBytes || !bytes.subarray(0, 8).equals(askHead)) return undefined;
  return bytes.subarray(16).equals(nothing) ? bytes.subarray(8, 16) : undefined;
}

export function makeAnswer(transaction: Buffer, address: Address, port: number): Buffer {
  const { family, value } = addressValue(address);
  const bytes = Buffer.alloc(packetBytes);
  answerHead.copy(bytes);
  transaction.copy(bytes, 8);
  bytes.writeUInt8(family, 16);
  bytes.writeUInt16BE(port, 18);
  if (family === 4) {
    bytes.writeUInt32BE(Number(value), 20);
  } else {
    bytes.writeBigUInt64BE(value >> 64n, 20);
    bytes.writeBigUInt64BE(value & 0xffff_ffff_ffff_ffffn, 28);
  }
  return bytes;
}
