/** Records the verdict on hosts that carry subnets or run workloads. It moves traffic, so it is on record like any other change. */
import type { Deps } from '../deps.ts';
import type { HostId } from '../../shared/names.ts';
import { findHost, updateHost } from '../store/hosts.ts';

/** Answers those that were marked: others are not active any more. The subnets of these hosts go to their next carriers, and their workloads leave names and published ports. */
export async function markGone({ store, log }: Pick<Deps, 'store' | 'log'>, ids: readonly HostId[]): Promise<HostId[]> {
  const marked = await setGone(store, ids, true);
  for (const host of marked) log.warn({ host }, 'host gone, others take over');
  return marked;
}

/** The host is heard again and takes back what it had. */
export async function markBack({ store, log }: Pick<Deps, 'store' | 'log'>, id: HostId): Promise<void> {
  await setGone(store, [id], false);
  log.info({ host: id }, 'host back');
}

async function setGone(store: Deps['store'], ids: readonly HostId[], isGone: boolean): Promise<HostId[]> {
  return store.transact('server', async (tx) => {
    const marked: HostId[] = [];
    for (const id of ids) {
      const host = await findHost(tx.db, id);
      if (host === undefined || host.state !== 'active' || host.isGone === isGone) continue;
      await updateHost(tx, id, { isGone });
      tx.touchHost(id);
      tx.audit(isGone ? 'host.gone' : 'host.back', id, { name: host.name });
      marked.push(id);
    }
    return marked;
  });
}
