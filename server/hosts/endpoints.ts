/** The endpoint candidates of a host: what it says of itself, less what can never work, and what the server sees. */
import type { Address } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import { dropMeshEndpoints, observeEndpoint, rankEndpoints } from '../discovery/endpoints.ts';
import type { HostFields, StoredHost } from '../store/hosts.ts';

export interface SaidEndpoints {
  readonly listenPort: number;
  readonly declaredEndpoints: readonly Endpoint[];
  readonly localEndpoints: readonly Endpoint[];
}

export type EndpointFields = Pick<
  HostFields,
  'listenPort' | 'declaredEndpoints' | 'localEndpoints' | 'observedEndpoints'
>;

export function endpointFields(said: SaidEndpoints, remote: Address, meshPools: readonly Cidr[]): EndpointFields {
  const observed = observeEndpoint(remote, said.listenPort, meshPools);
  return {
    listenPort: said.listenPort,
    declaredEndpoints: dropMeshEndpoints(said.declaredEndpoints, meshPools),
    localEndpoints: dropMeshEndpoints(said.localEndpoints, meshPools),
    observedEndpoints: observed === undefined ? [] : [observed],
  };
}

/** What other hosts are told, best first. */
export function publishedEndpoints(host: Omit<EndpointFields, 'listenPort'>): Endpoint[] {
  return rankEndpoints({
    declared: host.declaredEndpoints,
    observed: host.observedEndpoints,
    local: host.localEndpoints,
  });
}

export function isSameEndpoints(host: StoredHost, fields: EndpointFields): boolean {
  return JSON.stringify(pick(host)) === JSON.stringify(pick(fields));
}

const pick = (fields: EndpointFields): unknown[] => [
  fields.listenPort,
  fields.declaredEndpoints,
  fields.localEndpoints,
  fields.observedEndpoints,
];
