/**
 * Prefixes that no host may advertise and no pool may use, whoever asks (RFC 6890 special-purpose addresses and the
 * whole Internet). Overlap with what a mesh already uses is decided where that is known, not here.
 */
import { WarrenError } from '../errors.ts';
import { type Cidr, cidrRange, overlaps, parseCidr } from './cidr.ts';

const reserved: ReadonlyArray<readonly [Cidr, string]> = [
  [parseCidr('0.0.0.0/8'), '"this network"'],
  [parseCidr('127.0.0.0/8'), 'loopback'],
  [parseCidr('169.254.0.0/16'), 'link-local'],
  [parseCidr('224.0.0.0/3'), 'multicast and reserved'],
  [parseCidr('::/8'), 'loopback, unspecified and IPv4-mapped'],
  [parseCidr('fe80::/10'), 'link-local'],
  [parseCidr('ff00::/8'), 'multicast'],
];

/** The ranges alone, for who asks about thousands of prefixes and keeps an index. */
export const reservedPrefixes: readonly Cidr[] = reserved.map(([prefix]) => prefix);

const shortest = { 4: 8, 6: 16 } as const;

/** Throws `prefix-refused` when `cidr` can never be routed inside a mesh. */
export function refuseReserved(cidr: Cidr, field?: string): void {
  const { family, length } = cidrRange(cidr);
  if (length < shortest[family]) {
    throw new WarrenError(
      'prefix-refused',
      `${cidr} is too wide for a mesh; use a prefix of at least ${shortest[family]} bits`,
      { field },
    );
  }
  for (const [prefix, what] of reserved) {
    if (overlaps(prefix, cidr)) {
      throw new WarrenError('prefix-refused', `${cidr} overlaps ${prefix} (${what}); choose another prefix`, { field });
    }
  }
}
