/**
 * What of a map a host of a locked mesh takes. Who a host is, its key, addresses, leases and which subnets it may have
 * come from the signed record, whatever the server says of them; where it is met, whether it lives and what runs there
 * are hints that the server may change. A server that lies cuts no working tunnel by it. Pure.
 */
import type { HostId } from '../../shared/names.ts';
import { isExpired, unsignedOf } from '../../shared/lock/record.ts';
import type { LockState } from '../../shared/lock/log.ts';
import type { SignedHost } from '../../shared/lock/entry.ts';
import type { HostRecord, NetworkMap } from '../../shared/network-map.ts';
import { timeOf } from '../clock.ts';
import type { Fault } from '../failures.ts';

export interface Admission {
  readonly map: NetworkMap;
  readonly faults: readonly Fault[];
  /** When the next record that is good now expires, ms; Infinity where none does. */
  readonly goodUntil: number;
}

export function admit(
  map: NetworkMap,
  lock: Pick<LockState, 'hosts'>,
  { now, selfId }: { readonly now: number; readonly selfId: HostId },
): Admission {
  const faults: Fault[] = [];
  const hosts: HostRecord[] = [];
  let goodUntil = Infinity;
  for (const host of map.hosts) {
    const signed = lock.hosts.get(host.id);
    const isOver = signed === undefined || isExpired(signed, now);
    if (isOver) faults.push({ kind: 'lock-unsigned', subject: host.name, why: whyNot(host, signed) });
    else goodUntil = Math.min(goodUntil, signed.expiresAt ?? Infinity);
    // A host whose own time is over keeps its addresses, and what runs on it can still talk there; others drop it.
    if (signed === undefined || (isOver && host.id !== selfId)) continue;
    const told = unsignedOf({ ...host, subnets: host.subnets.map(({ prefix }) => prefix) }, signed);
    if (told.length > 0) faults.push({ kind: 'lock-refused', subject: signed.name, why: whyRefused(told, signed) });
    hosts.push(asSigned(host, signed));
  }
  return { map: { ...map, hosts }, faults, goodUntil };
}

function asSigned(host: HostRecord, { name, publicKey, addresses, leases, subnets }: SignedHost): HostRecord {
  const kept = host.subnets.filter(({ prefix }) => subnets.includes(prefix));
  return { ...host, name, publicKey, addresses, leases, subnets: kept };
}

function whyNot({ id, publicKey }: HostRecord, signed: SignedHost | undefined): string {
  const what =
    signed === undefined
      ? 'no key of the lock has signed this host'
      : `what was signed of this host ended at ${timeOf(signed.expiresAt ?? 0)}`;
  return `${what} (${id}, key ${publicKey}), so nothing goes to or comes from it; if it is to be let in: warren lock sign ${id}`;
}

const whyRefused = (told: readonly string[], { id }: SignedHost): string =>
  `the server tells of it what is not signed: ${told.join('; ')}; what is signed stays; if it is right: warren lock sign ${id}`;
