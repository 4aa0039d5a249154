/**
 * What a machine asks to advertise when it enrolls. Its list replaces its earlier wishes that nobody approved; what an
 * operator approved or rejected stays as decided, weight included, so that enrolling again neither takes a subnet away
 * from the mesh nor asks anew after a no.
 */
import { WarrenError } from '../../shared/errors.ts';
import type { HostId } from '../../shared/names.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import { deleteSubnet, insertSubnet, listSubnetsOfHost } from '../store/subnets.ts';
import type { Db, Store, Tx } from '../store/open.ts';
import { type UsedPrefixes, refuseSubnet } from './refuse.ts';
import { maxSubnetsOfHost } from './subnets.ts';
import { readUsedPrefixes } from './used.ts';

export interface Wish {
  readonly prefix: Cidr;
  readonly weight: number;
}

/** Throws `request-invalid`, `prefix-refused` or `prefix-overlaps`, naming the place in the list. */
export async function replaceWishes(tx: Tx, hostId: HostId, wishes: readonly Wish[], serverUrl: string): Promise<void> {
  await refuseWishes(tx, wishes, serverUrl);
  const decided = new Set<Cidr>();
  for (const subnet of await listSubnetsOfHost(tx.db, hostId)) {
    if (subnet.state === 'pending') await deleteSubnet(tx, subnet.id);
    else decided.add(subnet.prefix);
  }
  const open = wishes.filter((wish) => !decided.has(wish.prefix));
  if (decided.size + open.length > maxSubnetsOfHost) {
    throw new WarrenError('conflict', `one host may have at most ${maxSubnetsOfHost} subnets`, { field: 'advertise' });
  }
  for (const { prefix, weight } of open) await insertSubnet(tx, { hostId, prefix, weight, state: 'pending' });
}

async function refuseWishes(tx: Tx, wishes: readonly Wish[], serverUrl: string): Promise<void> {
  const used = await readUsedPrefixes(tx.db, serverUrl);
  const seen = new Set<Cidr>();
  for (const [index, { prefix }] of wishes.entries()) {
    const field = `advertise/${index}/prefix`;
    refuseSubnet(prefix, used, field);
    if (seen.has(prefix)) throw new WarrenError('request-invalid', `${prefix} stands twice; list it once`, { field });
    seen.add(prefix);
  }
}

/**
 * What a host would advertise besides, told in a report: each prefix that is not known yet waits for an operator.
 * One that is refused is left out, because a report is no place to argue; the agent tells why in its own status.
 */
export async function noteWishes(
  store: Pick<Store, 'db' | 'transact'>,
  hostId: HostId,
  wishes: readonly Wish[],
  serverUrl: string,
): Promise<void> {
  if ((await newWishes(store.db, hostId, wishes, serverUrl)).length === 0) return;
  await store.transact(`host:${hostId}`, async (tx) => {
    const open = await newWishes(tx.db, hostId, wishes, serverUrl);
    for (const { prefix, weight } of open) await insertSubnet(tx, { hostId, prefix, weight, state: 'pending' });
    if (open.length > 0) tx.audit('subnet.wish', hostId, { prefixes: open.map(({ prefix }) => prefix) });
  });
}

async function newWishes(db: Db, hostId: HostId, wishes: readonly Wish[], serverUrl: string): Promise<Wish[]> {
  const known = new Set((await listSubnetsOfHost(db, hostId)).map(({ prefix }) => prefix));
  const wished = new Map(wishes.map((wish) => [wish.prefix, wish]));
  const unknown = [...wished.values()].filter(({ prefix }) => !known.has(prefix));
  if (unknown.length === 0) return [];
  const used = await readUsedPrefixes(db, serverUrl);
  return unknown.filter(({ prefix }) => isAllowed(prefix, used)).slice(0, maxSubnetsOfHost - known.size);
}

function isAllowed(prefix: Cidr, used: UsedPrefixes): boolean {
  try {
    refuseSubnet(prefix, used);
    return true;
  } catch {
    return false;
  }
}
