/** Workloads as a report tells them. */
import type { Address } from '../../../shared/net/address.ts';
import { type Workload, parseLabel, parseSegmentName } from '../../../shared/workload.ts';

export function workload(
  name: string,
  addresses: readonly string[],
  change: { services?: string[]; segment?: string; isHealthy?: boolean } = {},
): Workload {
  return {
    name: parseLabel(name),
    services: (change.services ?? [name]).map(parseLabel),
    addresses: addresses as Address[],
    ports: [{ port: 80, protocol: 'tcp' }],
    segment: change.segment === undefined ? null : parseSegmentName(change.segment),
    isHealthy: change.isHealthy ?? true,
    variables: [],
  };
}
