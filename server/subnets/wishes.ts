/**
 * What a machine asks to advertise when it enrolls. Its list replaces its earlier wishes that nobody approved; what an
 * operator approved or rejected stays as decided, weight included, so that enrolling again neither takes a subnet away
 * from the mesh nor asks anew after a no.
 */
import { WarrenError } from '../../shared/errors.ts';
import type { HostId } from '../../shared/names.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import { deleteSubnet, insertSubnet, listSubnetsOfHost } from '../store/subnets.ts';
import type { Tx } from '../store/open.ts';
import { refuseSubnet } from './refuse.ts';
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
