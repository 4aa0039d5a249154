/**
 * Which host carries an advertised prefix. WireGuard lets a prefix live on one peer, so every agent must pick the same
 * one: hosts that are not gone first, then the lower weight, then the name (tinc's rule, `subnet_compare` in tinc's
 * subnet.c). When all owners are gone the best of them stays: a wrong verdict must not cut a working path.
 */
import type { HostId } from './names.ts';
import type { HostRecord } from './network-map.ts';
import type { Cidr } from './net/cidr.ts';

/** What of a host decides which prefixes it carries. */
export type Claimant = Pick<HostRecord, 'id' | 'name' | 'subnets' | 'isGone'>;

export function owners(hosts: readonly Claimant[]): Map<Cidr, HostId> {
  const best = new Map<Cidr, Claim>();
  for (const host of hosts) {
    for (const { prefix, weight } of host.subnets) {
      const current = best.get(prefix);
      if (current === undefined || isBetter({ host, weight }, current)) best.set(prefix, { host, weight });
    }
  }
  return new Map([...best].map(([prefix, { host }]) => [prefix, host.id]));
}

interface Claim {
  host: Claimant;
  weight: number;
}

function isBetter(a: Claim, b: Claim): boolean {
  if (a.host.isGone !== b.host.isGone) return b.host.isGone;
  if (a.weight !== b.weight) return a.weight < b.weight;
  return a.host.name < b.host.name;
}
