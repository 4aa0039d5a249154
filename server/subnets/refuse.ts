/**
 * Which prefixes a host may not advertise. Pure: what the mesh already uses is an argument. Equal and nested prefixes of
 * other hosts are fine (failover, more specific routes); what Warren itself hands out is not.
 */
import { WarrenError } from '../../shared/errors.ts';
import { type Address, isAddress } from '../../shared/net/address.ts';
import { type Cidr, containsAddress, overlaps } from '../../shared/net/cidr.ts';
import { refuseReserved } from '../../shared/net/reserved.ts';

export interface UsedPrefixes {
  /** Prefixes of all pools, overlay and container. Every lease and overlay address lies in one of them. */
  readonly pools: readonly Cidr[];
  /** The server's own address, where its url names one: a route to it through the mesh would cut hosts off. */
  readonly serverAddress: Address | undefined;
}

/** Throws `prefix-refused` or `prefix-overlaps`, naming what is in the way. */
export function refuseSubnet(prefix: Cidr, used: UsedPrefixes, field?: string): void {
  refuseReserved(prefix, field);
  const pool = used.pools.find((candidate) => overlaps(candidate, prefix));
  if (pool !== undefined) {
    throw new WarrenError(
      'prefix-overlaps',
      `${prefix} overlaps the pool ${pool} that the mesh gives out itself; advertise a prefix outside of all pools`,
      { field },
    );
  }
  if (used.serverAddress !== undefined && containsAddress(prefix, used.serverAddress)) {
    throw new WarrenError(
      'prefix-refused',
      `${prefix} holds the server's own address ${used.serverAddress}; advertise a prefix without it`,
      { field },
    );
  }
}

/** The address in a url like `https://192.0.2.1:8443`; undefined when it names a host. */
export function urlAddress(url: string): Address | undefined {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  return isAddress(host) ? host : undefined;
}
