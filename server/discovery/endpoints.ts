/**
 * Which endpoints of a host the others are told, best first: what its operator declared, where other hosts see its packets
 * come from, what the server guesses, then its own addresses. Pure; candidates are unproven, the agents find out which one
 * answers. Own addresses stay in the list behind a NAT too: hosts behind the same one meet there.
 */
import { type Address, addressValue } from '../../shared/net/address.ts';
import { type Cidr, cidrRange } from '../../shared/net/cidr.ts';
import { type Endpoint, makeEndpoint, splitEndpoint } from '../../shared/net/endpoint.ts';
import type { Nat } from '../../shared/network-map.ts';

export interface EndpointCandidates {
  readonly declared: readonly Endpoint[];
  readonly mapped: readonly Endpoint[];
  readonly observed: readonly Endpoint[];
  readonly local: readonly Endpoint[];
}

/** As many as a host record holds. */
const maxEndpoints = 16;

/** A symmetric NAT gives every peer another mapping, so what one of them saw says nothing to the next. */
export function rankEndpoints({ declared, mapped, observed, local }: EndpointCandidates, nat: Nat): Endpoint[] {
  const seen = nat === 'symmetric' ? [] : mapped;
  return [...new Set([...declared, ...seen, ...observed, ...local])].slice(0, maxEndpoints);
}

/**
 * Where WireGuard of a host seems to be, from the address its calls come from; undefined when that says nothing to
 * others (the same machine, or an address inside the mesh: its own tunnel).
 */
export function observeEndpoint(remote: Address, listenPort: number, meshPools: readonly Cidr[]): Endpoint | undefined {
  const { family, value } = addressValue(remote);
  if (family === 4 ? value >> 24n === 127n : value === 1n || value >> 118n === 0x3fan) return undefined;
  return isInside(meshPools, remote) ? undefined : makeEndpoint(remote, listenPort);
}

/** Without endpoints inside the mesh: a tunnel whose outer packets go into the tunnel carries nothing. */
export function dropMeshEndpoints(endpoints: readonly Endpoint[], meshPools: readonly Cidr[]): Endpoint[] {
  return endpoints.filter((endpoint) => !isInside(meshPools, splitEndpoint(endpoint).address));
}

function isInside(prefixes: readonly Cidr[], address: Address): boolean {
  const { family, value } = addressValue(address);
  return prefixes.some((prefix) => {
    const range = cidrRange(prefix);
    return range.family === family && range.first <= value && value <= range.last;
  });
}
