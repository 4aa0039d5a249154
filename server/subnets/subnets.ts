/**
 * Advertised subnets: what operators do with them. A host's wish is only ever `pending`; an operator's word makes it
 * carry traffic, and is checked again at that moment, because pools may have been added since.
 */
import { WarrenError } from '../../shared/errors.ts';
import type { HostId } from '../../shared/names.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import { type StoredHost, readHost } from '../store/hosts.ts';
import {
  type StoredSubnet,
  deleteSubnet,
  findSubnet,
  insertSubnet,
  listSubnetsOfHost,
  updateSubnet,
} from '../store/subnets.ts';
import type { Tx } from '../store/open.ts';
import { dropForeignWorkloads } from '../workloads/own.ts';
import { refuseSubnet } from './refuse.ts';
import { readUsedPrefixes } from './used.ts';

/** A host's record holds no more. */
export const maxSubnetsOfHost = 256;

/** Advertises for a host, approved at once. Throws `not-found`, `conflict`, `prefix-refused`, `prefix-overlaps`. */
export async function createSubnet(
  tx: Tx,
  spec: { hostId: HostId; prefix: Cidr; weight: number; serverUrl: string },
): Promise<StoredSubnet> {
  const { hostId, prefix, weight } = spec;
  const host = await readHost(tx.db, hostId);
  refuseSubnet(prefix, await readUsedPrefixes(tx.db, spec.serverUrl), 'prefix');
  const present = await listSubnetsOfHost(tx.db, hostId);
  const same = present.find((subnet) => subnet.prefix === prefix);
  if (same !== undefined) {
    throw new WarrenError('conflict', `${host.name} advertises ${prefix} already, as ${same.id} (${same.state})`, {
      field: 'prefix',
    });
  }
  if (present.length >= maxSubnetsOfHost) {
    throw new WarrenError('conflict', `${host.name} has ${maxSubnetsOfHost} subnets, the most one host may have`);
  }
  const subnet = await insertSubnet(tx, { hostId, prefix, weight, state: 'approved' });
  await touchIfMapped(tx, host);
  tx.audit('subnet.create', subnet.id, { host: hostId, prefix, weight });
  return subnet;
}

/** Approves, rejects, or changes the weight. Throws `prefix-refused` or `prefix-overlaps` where approving is refused. */
export async function changeSubnet(
  tx: Tx,
  subnet: StoredSubnet,
  change: { state?: 'approved' | 'rejected' | undefined; weight?: number | undefined },
  serverUrl: string,
): Promise<StoredSubnet> {
  const { state = subnet.state, weight = subnet.weight } = change;
  if (state === subnet.state && weight === subnet.weight) return subnet;
  if (state === 'approved' && subnet.state !== 'approved') {
    refuseSubnet(subnet.prefix, await readUsedPrefixes(tx.db, serverUrl), 'state');
  }
  const changed = await updateSubnet(tx, subnet.id, { state, weight });
  if (state === 'approved' || subnet.state === 'approved')
    await touchIfMapped(tx, await readHost(tx.db, subnet.hostId));
  tx.audit('subnet.update', subnet.id, { host: subnet.hostId, prefix: subnet.prefix, state, weight });
  return changed;
}

/** Throws `not-found`, also for a subnet of another host. */
export async function removeSubnet(tx: Tx, hostId: HostId, id: string): Promise<void> {
  const host = await readHost(tx.db, hostId);
  const subnet = await findSubnet(tx.db, id);
  if (subnet === undefined || subnet.hostId !== hostId) {
    throw new WarrenError('not-found', `${host.name} has no subnet ${id}; see \`warren subnet ls\``);
  }
  await deleteSubnet(tx, id);
  if (subnet.state === 'approved') await touchIfMapped(tx, host);
  tx.audit('subnet.remove', id, { host: hostId, prefix: subnet.prefix });
}

/** Other hosts know only active ones. Names on addresses that are no longer the host's go with the addresses. */
async function touchIfMapped(tx: Tx, host: StoredHost): Promise<void> {
  await dropForeignWorkloads(tx, host);
  if (host.state === 'active') tx.touchHost(host.id);
}
