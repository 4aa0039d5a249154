/** Which relay an endpoint is a port of, where nobody has said so: an agent that starts anew finds its tunnel there. Pure. */
import { type Endpoint, splitEndpoint } from '../../shared/net/endpoint.ts';
import type { HostRecord } from '../../shared/network-map.ts';

/** No host has its WireGuard at a relay's address, unless both are behind one box. */
export function relayAt(
  endpoint: Endpoint,
  host: Pick<HostRecord, 'id' | 'endpoints'>,
  relays: readonly HostRecord[],
): HostRecord | undefined {
  if (host.endpoints.includes(endpoint)) return undefined;
  const { address } = splitEndpoint(endpoint);
  return relays.find(
    (relay) =>
      relay.id !== host.id &&
      !relay.endpoints.includes(endpoint) &&
      relay.endpoints.some((one) => splitEndpoint(one).address === address),
  );
}
