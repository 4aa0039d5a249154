/** Container subnets leased to a host: prefixes that have room for the gateway and for a container beside it. */
import { WarrenError } from '../errors.ts';
import { grammar } from '../grammar.ts';
import { type Family, addressBits } from './address.ts';
import { type Cidr, cidrFamily, cidrRange, parseCidr } from './cidr.ts';

/** Network address, gateway, one container and, in IPv4, the broadcast address: 2 bits. */
export const longestLease = (family: Family): number => addressBits(family) - 2;

/** Throws `cidr-invalid` for a prefix without room for containers. */
export function parseLease(text: string): Cidr {
  const lease = parseCidr(text);
  const longest = longestLease(cidrFamily(lease));
  if (cidrRange(lease).length <= longest) return lease;
  throw new WarrenError('cidr-invalid', `the lease ${lease} has no room for containers; give at most /${longest}`);
}

export const leaseSchema = grammar(parseLease, {
  description: 'CIDR prefix in canonical form with room for containers: at most /30 in IPv4, /126 in IPv6',
  example: '10.210.1.0/24',
  maxLength: 49,
});
