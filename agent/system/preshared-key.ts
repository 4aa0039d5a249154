/**
 * A preshared key's name: what may be shown, compared and sent in its place. It tells nothing of the key, which is 32
 * random bytes. Keys themselves pass by here only as text of a file or of `wg`'s output.
 */
import { createHmac } from 'node:crypto';
import type { PresharedKeyId } from '../plan/preshared.ts';

/** `key`: 32 bytes in base64, as `wg` prints and reads it. */
export const presharedKeyId = (key: string): PresharedKeyId =>
  createHmac('sha256', Buffer.from(key, 'base64')).update('warren psk id').digest('hex').slice(0, 16) as PresharedKeyId;
