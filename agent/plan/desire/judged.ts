/**
 * The map with this host's own finding of who is there. What it sees itself goes before what the server says: a host
 * that answers here is not gone, one whose tunnel is silent is.
 */
import type { HostRecord, NetworkMap } from '../../../shared/network-map.ts';
import type { Cidr } from '../../../shared/net/cidr.ts';
import type { LocalFacts } from '../local.ts';
import type { Claim } from './claims.ts';

export function judgeHosts(map: NetworkMap, liveness: LocalFacts['liveness']): NetworkMap {
  return { ...map, hosts: map.hosts.map((host) => judgeHost(host, liveness.get(host.publicKey))) };
}

function judgeHost(host: HostRecord, verdict: 'alive' | 'dead' | undefined): HostRecord {
  const isGone = verdict === undefined ? host.isGone : verdict === 'dead';
  return isGone === host.isGone ? host : { ...host, isGone };
}

/** What lies behind hosts that are dead, in order. */
export function deadPrefixes(map: NetworkMap, claims: readonly Claim[], liveness: LocalFacts['liveness']): Cidr[] {
  const dead = new Set(map.hosts.filter(({ publicKey }) => liveness.get(publicKey) === 'dead').map(({ id }) => id));
  if (dead.size === 0) return [];
  return claims.flatMap(({ owner, prefix }) => (owner !== undefined && dead.has(owner) ? [prefix] : [])).sort();
}
