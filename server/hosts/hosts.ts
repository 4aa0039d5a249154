/**
 * What operators do with hosts, from pre-registration to removal. Each function is one step of one transaction: rows,
 * what other hosts must hear of it (`touchHost`, `forgetHost`) and the audit entry. Enrollment is `enroll/`'s part.
 */
import { WarrenError } from '../../shared/errors.ts';
import type { HostName } from '../../shared/names.ts';
import { type StoredHost, deleteHost, findHostByName, insertHost, updateHost } from '../store/hosts.ts';
import { leaseAddresses } from '../store/leases.ts';
import type { Tx } from '../store/open.ts';
import { deletePublicationsOfHost } from '../store/publications.ts';

/** Keeps name, addresses and lease for the machine that will enroll by that name. Throws `name-taken`. */
export async function preregisterHost(
  tx: Tx,
  { name, tags }: { name: HostName; tags: readonly string[] },
): Promise<StoredHost> {
  await refuseTakenName(tx, name);
  const host = await insertHost(tx, { name, tags, state: 'registered' });
  await leaseAddresses(tx, host.id);
  tx.audit('host.create', host.id, { name, tags });
  return host;
}

/** Renames, retags, makes a relay or no relay. Throws `name-taken`. */
export async function changeHost(
  tx: Tx,
  host: StoredHost,
  change: { name?: HostName | undefined; tags?: readonly string[] | undefined; isRelay?: boolean | undefined },
): Promise<StoredHost> {
  const { name = host.name, tags = host.tags, isRelay = host.isRelay } = change;
  if (name !== host.name) await refuseTakenName(tx, name);
  const changed = await updateHost(tx, host.id, { name, tags, isRelay });
  const isTold = name !== host.name || isRelay !== host.isRelay;
  if (isTold && host.state === 'active') tx.touchHost(host.id);
  const before = { name: host.name, tags: host.tags, isRelay: host.isRelay };
  tx.audit('host.update', host.id, { before, after: { name, tags, isRelay } });
  return changed;
}

/** Ends a host: its certificates, addresses, lease, subnets and ports go with the row; everybody's map forgets it. */
export async function removeHost(tx: Tx, host: StoredHost, action: 'host.remove' | 'host.leave'): Promise<void> {
  if ((await deletePublicationsOfHost(tx, host.id)) > 0) tx.touchMesh();
  await deleteHost(tx, host.id);
  tx.forgetHost(host.id);
  tx.audit(action, host.id, { name: host.name });
}

/** Throws `conflict` for a host that does not wait for approval. */
export async function approveHost(tx: Tx, host: StoredHost): Promise<StoredHost> {
  if (host.state === 'active') return host;
  if (host.state !== 'pending') throw wrongState(host, 'only a host that enrolled and waits can be approved');
  return enter(tx, host, 'host.approve');
}

/**
 * Cuts a host off at once; certificates of a disabled host open nothing. What runs on it is forgotten: should it come back,
 * it tells anew. Throws `conflict` before it enrolled.
 */
export async function disableHost(tx: Tx, host: StoredHost): Promise<StoredHost> {
  if (host.state === 'disabled') return host;
  if (host.state === 'registered') throw wrongState(host, 'it has not enrolled; remove it instead');
  const changed = await updateHost(tx, host.id, { state: 'disabled', isGone: false, workloads: [] });
  tx.forgetHost(host.id);
  tx.audit('host.disable', host.id, { name: host.name });
  return changed;
}

/** Lets a disabled host in, also one that was disabled before anybody approved it. Throws `conflict`. */
export async function enableHost(tx: Tx, host: StoredHost): Promise<StoredHost> {
  if (host.state === 'active') return host;
  if (host.state !== 'disabled') throw wrongState(host, 'only a disabled host can be enabled; approve it instead');
  return enter(tx, host, 'host.enable');
}

/** Asks the host for a new WireGuard key; `renew` clears it. Throws `conflict` before it enrolled. */
export async function requestRotation(tx: Tx, host: StoredHost): Promise<StoredHost> {
  if (host.publicKey === null) throw wrongState(host, 'it has not enrolled, so it has no key to replace');
  if (host.isRotationDue) return host;
  const changed = await updateHost(tx, host.id, { isRotationDue: true });
  tx.audit('host.rotate', host.id, { name: host.name });
  return changed;
}

/** Throws `name-taken`, naming who has it. */
export async function refuseTakenName(tx: Tx, name: HostName): Promise<void> {
  const other = await findHostByName(tx.db, name);
  if (other === undefined) return;
  throw new WarrenError('name-taken', `the name '${name}' belongs to host ${other.id}; choose another name`, {
    field: 'name',
  });
}

async function enter(tx: Tx, host: StoredHost, action: string): Promise<StoredHost> {
  const changed = await updateHost(tx, host.id, { state: 'active', isGone: false });
  tx.touchHost(host.id);
  tx.audit(action, host.id, { name: host.name });
  return changed;
}

function wrongState(host: StoredHost, why: string): WarrenError {
  return new WarrenError('conflict', `host ${host.name} is ${host.state}: ${why}`);
}
