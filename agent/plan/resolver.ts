/**
 * What systemd-resolved of this host is told: that the mesh's names, and no others, are asked at the bridge. Docker asks
 * a host's server on a loopback address from the host itself, where no rule on the bridge sees it; and the host finds
 * the mesh's names as well. It hangs on the tunnel's link, for a bridge without containers has no carrier.
 */
import type { Address } from '../../shared/net/address.ts';
import { type Cidr, cidrRange } from '../../shared/net/cidr.ts';
import type { ObservedLink, ObservedResolver } from './observed.ts';
import type { Step } from './step.ts';

export interface DesiredResolver {
  readonly servers: readonly Address[];
  /** Sorted. */
  readonly domains: readonly string[];
}

/** Undefined where the agent serves no names. */
export function desireResolver(
  {
    domain,
    containerPools,
    overlayPools,
  }: { domain: string; containerPools: readonly Cidr[]; overlayPools: readonly Cidr[] },
  gateways: readonly Address[],
  isServed: boolean,
): DesiredResolver | undefined {
  if (!isServed || gateways.length === 0) return undefined;
  const reverse = [...containerPools, ...overlayPools].flatMap(reverseDomain);
  return { servers: gateways, domains: [...new Set([domain, ...reverse])].sort() };
}

/** `10.210.0.0/16` -> `210.10.in-addr.arpa`; none where the prefix ends within a label. */
export function reverseDomain(prefix: Cidr): string[] {
  const { family, first } = cidrRange(prefix);
  const length = Number(prefix.slice(prefix.indexOf('/') + 1));
  const [bits, labelBits, end] = family === 4 ? [32, 8, 'in-addr.arpa'] : ([128, 4, 'ip6.arpa'] as const);
  if (length === 0 || length % labelBits !== 0) return [];
  const labels = Array.from({ length: length / labelBits }, (_, i) =>
    ((first >> BigInt(bits - labelBits * (i + 1))) & ((1n << BigInt(labelBits)) - 1n)).toString(family === 4 ? 10 : 16),
  );
  return [[...labels.toReversed(), end].join('.')];
}

/** `seen`: undefined where no resolved answers for this host. */
export function planResolver(
  resolver: DesiredResolver | undefined,
  link: ObservedLink | undefined,
  seen: ObservedResolver | undefined,
): Step[] {
  if (seen === undefined || link === undefined) return [];
  const { name: interfaceName, index } = link;
  if (resolver === undefined) {
    if (seen.servers.length === 0 && seen.domains.length === 0) return [];
    return [{ kind: 'resolver-clear', interfaceName, index, why: 'the agent serves no names' }];
  }
  const isSame =
    !seen.isDefaultRoute &&
    seen.servers.join() === resolver.servers.join() &&
    seen.domains.toSorted().join() === resolver.domains.join();
  return isSame
    ? []
    : [{ kind: 'resolver-set', interfaceName, index, ...resolver, why: 'resolved does not know where the names are' }];
}
