/** The endpoint candidates of a host: what it says of itself, less what can never work, and what the server sees. */
import type { Address } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { Nat } from '../../shared/network-map.ts';
import { dropMeshEndpoints, observeEndpoint, rankEndpoints } from '../discovery/endpoints.ts';
import type { HostFields, StoredHost } from '../store/hosts.ts';

export interface SaidEndpoints {
  readonly listenPort: number;
  readonly declaredEndpoints: readonly Endpoint[];
  readonly localEndpoints: readonly Endpoint[];
  /** None before the host's first report. */
  readonly mappedEndpoints?: readonly Endpoint[];
  readonly nat?: Nat;
  readonly tlsPort?: number | undefined;
}

export type EndpointFields = Pick<
  HostFields,
  'listenPort' | 'declaredEndpoints' | 'localEndpoints' | 'mappedEndpoints' | 'observedEndpoints' | 'nat' | 'tlsPort'
>;

export function endpointFields(said: SaidEndpoints, remote: Address, meshPools: readonly Cidr[]): EndpointFields {
  const observed = observeEndpoint(remote, said.listenPort, meshPools);
  return {
    listenPort: said.listenPort,
    declaredEndpoints: dropMeshEndpoints(said.declaredEndpoints, meshPools),
    localEndpoints: dropMeshEndpoints(said.localEndpoints, meshPools),
    mappedEndpoints: dropMeshEndpoints(said.mappedEndpoints ?? [], meshPools),
    observedEndpoints: observed === undefined ? [] : [observed],
    nat: said.nat ?? 'unknown',
    tlsPort: said.tlsPort ?? null,
  };
}

/** What the store has of them. */
export function storedEndpoints(host: StoredHost): EndpointFields {
  const { listenPort, declaredEndpoints, localEndpoints, mappedEndpoints, observedEndpoints, nat, tlsPort } = host;
  return { listenPort, declaredEndpoints, localEndpoints, mappedEndpoints, observedEndpoints, nat, tlsPort };
}

/** True when others know the same of both. */
export function isSamePublished(a: Omit<EndpointFields, 'listenPort'>, b: Omit<EndpointFields, 'listenPort'>): boolean {
  return a.nat === b.nat && a.tlsPort === b.tlsPort && publishedEndpoints(a).join() === publishedEndpoints(b).join();
}

/** What other hosts are told, best first. */
export function publishedEndpoints(host: Omit<EndpointFields, 'listenPort'>): Endpoint[] {
  const candidates = {
    declared: host.declaredEndpoints,
    mapped: host.mappedEndpoints,
    observed: host.observedEndpoints,
    local: host.localEndpoints,
  };
  return rankEndpoints(candidates, host.nat);
}

export function isSameEndpoints(host: StoredHost, fields: EndpointFields): boolean {
  return JSON.stringify(pick(host)) === JSON.stringify(pick(fields));
}

const pick = (fields: EndpointFields): unknown[] => [
  fields.listenPort,
  fields.declaredEndpoints,
  fields.localEndpoints,
  fields.mappedEndpoints,
  fields.observedEndpoints,
  fields.nat,
  fields.tlsPort,
];
