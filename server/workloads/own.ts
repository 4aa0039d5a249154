/** Keeps what is stored of a host's workloads to addresses that are its own, when it loses some. */
import { isSameWorkloads, ownWorkloads } from '../../shared/own-workloads.ts';
import { ownPrefixes } from '../hosts/own-prefixes.ts';
import { type StoredHost, recordWorkloads } from '../store/hosts.ts';
import type { Tx } from '../store/open.ts';

/** Call `tx.touchHost` as well. A workload that is left out comes back with a report, once its address is allowed. */
export async function dropForeignWorkloads(tx: Tx, host: StoredHost): Promise<void> {
  if (host.workloads.length === 0) return;
  const own = ownWorkloads(host.workloads, await ownPrefixes(tx.db, host.id));
  if (!isSameWorkloads(own, host.workloads)) await recordWorkloads(tx, host.id, own);
}
