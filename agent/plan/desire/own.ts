/** What this host itself holds in the mesh: its addresses, its leases, and the bridge that is its containers' gateway. */
import type { HostRecord } from '../../../shared/network-map.ts';
import type { Address } from '../../../shared/net/address.ts';
import { type Cidr, addressAt } from '../../../shared/net/cidr.ts';
import type { DesiredBridge, Refusal } from '../desired.ts';
import { prefixOfOne, rangeOf } from '../ranges.ts';
import type { HostSettings } from '../settings.ts';
import type { Underlay } from '../underlay.ts';

export interface OwnPrefixes {
  readonly addresses: readonly Address[];
  readonly leases: readonly Cidr[];
  readonly refusals: readonly Refusal[];
}

/** Own addresses and leases that this host can hold: not without IPv6, not where its own LAN is. */
export function ownPrefixes(self: HostRecord | undefined, underlay: Underlay): OwnPrefixes {
  const refusals: Refusal[] = [];
  const isFree = (prefix: Cidr, what: string): boolean => {
    const connected = underlay.connected.overlap(rangeOf(prefix));
    if (connected === undefined) return true;
    const why = `${what} of this host overlaps ${connected.address} on ${connected.link.name}; ask for another prefix`;
    refusals.push({ kind: 'prefix-refused', subject: prefix, why });
    return false;
  };
  const isUsable = (text: string): boolean => underlay.isIpv6Usable || !text.includes(':');
  const addresses = (self?.addresses ?? []).filter(isUsable).filter((a) => isFree(prefixOfOne(a), 'the address'));
  const leases = (self?.leases ?? []).filter(isUsable).filter((lease) => isFree(lease, 'the container subnet'));
  return { addresses, leases, refusals };
}

export function desiredBridge(settings: HostSettings, leases: readonly Cidr[], mtu: number): DesiredBridge | undefined {
  if (leases.length === 0) return undefined;
  const addresses = leases.map((lease) => `${addressAt(lease, 1n)}${lease.slice(lease.lastIndexOf('/'))}`);
  return { name: settings.bridgeName, addresses, mtu };
}
