/** Random ids: one letter that tells what it names, then 80 bits in lower-case base32 (RFC 4648 section 6). */
import type { HostId } from '../../shared/names.ts';

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** `e` epoch, `h` host, `t` token, `k` key, `p` pool, `s` subnet. */
export type IdLetter = 'e' | 'h' | 't' | 'k' | 'p' | 's';

export type Random = (bytes: number) => Buffer;

export function makeId<Letter extends IdLetter>(letter: Letter, random: Random): Letter extends 'h' ? HostId : string {
  let bits = BigInt(`0x${random(10).toString('hex')}`);
  let text = '';
  for (let i = 0; i < 16; i += 1) {
    text = (alphabet[Number(bits & 31n)] ?? '') + text;
    bits >>= 5n;
  }
  return (letter + text) as HostId;
}
