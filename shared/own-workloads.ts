/**
 * Which workloads a host may tell of: those whose every address is its own. The server asks when a host reports, each
 * agent asks again of what the map says, so that no host, and no server, can put a name on another host's address.
 */
import type { HostRecord } from './network-map.ts';
import type { Address } from './net/address.ts';
import { type Cidr, containsAddress, hostCidr } from './net/cidr.ts';
import type { Workload } from './workload.ts';

/** Ordered by name, as records hold them; of two with one name the first counts. `own`: all prefixes of the host. */
export function ownWorkloads(said: readonly Workload[], own: readonly Cidr[]): Workload[] {
  const isOwn = (address: Address): boolean => own.some((prefix) => containsAddress(prefix, address));
  const byName = new Map<string, Workload>();
  for (const one of said) {
    if (!byName.has(one.name) && one.addresses.every(isOwn)) byName.set(one.name, one);
  }
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The workloads of a record that can be believed. */
export function workloadsOf(record: HostRecord): Workload[] {
  const { addresses, leases, subnets, workloads } = record;
  if (workloads.length === 0) return [];
  return ownWorkloads(workloads, [...addresses.map(hostCidr), ...leases, ...subnets.map(({ prefix }) => prefix)]);
}

export const isSameWorkloads = (a: readonly Workload[], b: readonly Workload[]): boolean =>
  JSON.stringify(a) === JSON.stringify(b);

/** Characters of JSON: what one host may put into everybody's map. About 250 a workload, shared variables aside. */
export const mostWorkloadChars = 512 * 1024;

/** As many of them, in their order, as a record may hold. */
export function fittingWorkloads(workloads: readonly Workload[]): Workload[] {
  let chars = 0;
  return workloads.filter((one) => {
    chars += JSON.stringify(one).length + 1;
    return chars <= mostWorkloadChars;
  });
}
