/** What the server tells of its hosts, and how each stands with the lock. */
import type { Call } from '../../shared/api/client.ts';
import { type Host, listHosts } from '../../shared/api/hosts.ts';
import { listSubnets } from '../../shared/api/subnets.ts';
import type { HostId } from '../../shared/names.ts';
import type { LockState } from '../../shared/lock/log.ts';
import { type ToldHost, isExpired, unsignedOf } from '../../shared/lock/record.ts';
import { findHost, wholeList } from '../admin/list.ts';

export interface LockedHost {
  readonly host: Host;
  /** Undefined until the machine has enrolled: there is no key to sign. */
  readonly told: ToldHost | undefined;
  /** In words; empty: all that is told is signed. */
  readonly open: readonly string[];
}

/** Hosts that are in the mesh or wait for it. */
export async function readHosts(call: Call, lock: LockState | undefined, now: number): Promise<LockedHost[]> {
  const { items } = await wholeList((query) => call(listHosts, { query }));
  const { items: subnets } = await wholeList((query) => call(listSubnets, { query: { ...query, state: 'approved' } }));
  return items
    .filter(({ state }) => state === 'active' || state === 'pending')
    .map((host) => {
      const prefixes = subnets.filter(({ hostId }) => hostId === host.id).map(({ prefix }) => prefix);
      return stand(host, prefixes, lock, now);
    });
}

function stand(host: Host, subnets: ToldHost['subnets'], lock: LockState | undefined, now: number): LockedHost {
  const { id, name, publicKey, addresses, leases } = host;
  if (publicKey === null || addresses.length === 0) return { host, told: undefined, open: [] };
  const told: ToldHost = { id, name, publicKey, addresses, leases, subnets };
  const signed = lock?.hosts.get(id);
  if (signed === undefined) return { host, told, open: ['not signed'] };
  const differing = unsignedOf(told, signed);
  return { host, told, open: isExpired(signed, now) ? ['expired', ...differing] : differing };
}

/** By name or id; a host that the server does not know any more by its id alone, or by the name that was signed. */
export async function signedId(call: Call, lock: LockState | undefined, text: string): Promise<HostId> {
  const known = [...(lock?.hosts.values() ?? [])].find(({ id, name }) => id === text || name === text);
  return known === undefined ? (await findHost(call, text)).id : known.id;
}
