/** Which hosts of the map become peers, and in which order their endpoints are tried. */
import type { Endpoint } from '../../../shared/net/endpoint.ts';
import type { HostRecord } from '../../../shared/network-map.ts';
import type { Refusal } from '../desired.ts';
import { pointOf } from '../ranges.ts';
import type { HostSettings } from '../settings.ts';
import { type Underlay, addressOf } from '../underlay.ts';

/** A key that two hosts claim belongs to neither, and our own key to no peer. */
export function believePeers(
  hosts: readonly HostRecord[],
  settings: HostSettings,
): { peers: HostRecord[]; refusals: Refusal[] } {
  const claims = new Map<string, number>();
  for (const host of hosts) claims.set(host.publicKey, (claims.get(host.publicKey) ?? 0) + 1);
  const peers: HostRecord[] = [];
  const refusals: Refusal[] = [];
  for (const host of hosts) {
    if (host.id === settings.selfId) continue;
    const refuse = (why: string): void => {
      refusals.push({ kind: 'peer-refused', subject: host.name, why: `${host.name} ${why}` });
    };
    if (host.publicKey === settings.publicKey) refuse("has this host's own key; give one of them a new key");
    else if ((claims.get(host.publicKey) ?? 0) > 1) refuse('shares its key with another host; give it a new key');
    else peers.push(host);
  }
  return { peers, refusals };
}

/** Candidates in one of our own networks first: the short way, and the only one behind a NAT that does not hairpin. */
export function orderCandidates(endpoints: readonly Endpoint[], underlay: Underlay): Endpoint[] {
  const near = endpoints.filter((endpoint) => isNear(endpoint, underlay));
  return near.length === 0 ? [...endpoints] : [...near, ...endpoints.filter((endpoint) => !near.includes(endpoint))];
}

/** In one of this host's own networks. */
export const isNear = (endpoint: Endpoint, { connected }: Pick<Underlay, 'connected'>): boolean =>
  connected.overlap(pointOf(addressOf(endpoint))) !== undefined;
