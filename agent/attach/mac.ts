/** MAC addresses that are made of a text. */
import { createHash } from 'node:crypto';
import { type MacAddress, parseMacAddress } from '../../shared/attachment.ts';

/** pipework's `U:string`: the same string gives the same address on every host. */
export const macOfText = (text: string): MacAddress => localMac(createHash('md5').update(text).digest());

/** Locally administered, of the first five bytes. */
export const localMac = (bytes: Buffer): MacAddress =>
  parseMacAddress(`02:${(bytes.subarray(0, 5).toString('hex').match(/../g) ?? []).join(':')}`);
