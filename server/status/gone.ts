/** Records the verdict on hosts that carry subnets. It moves traffic, so it is on record like any other change. */
import type { Deps } from '../deps.ts';
import type { HostId } from '../../shared/names.ts';
import { findHost, updateHost } from '../store/hosts.ts';

/** The subnets of these hosts go to their next carriers. */
export async function markGone({ store, log }: Pick<Deps, 'store' | 'log'>, ids: readonly HostId[]): Promise<void> {
  await setGone(store, ids, true);
  for (const host of ids) log.warn({ host }, 'host gone, its subnets move');
}

/** The host is heard again and takes its subnets back. */
export async function markBack({ store, log }: Pick<Deps, 'store' | 'log'>, id: HostId): Promise<void> {
  await setGone(store, [id], false);
  log.info({ host: id }, 'host back');
}

async function setGone(store: Deps['store'], ids: readonly HostId[], isGone: boolean): Promise<void> {
  await store.transact('server', async (tx) => {
    for (const id of ids) {
      const host = await findHost(tx.db, id);
      if (host === undefined || host.state !== 'active' || host.isGone === isGone) continue;
      await updateHost(tx, id, { isGone });
      tx.touchHost(id);
      tx.audit(isGone ? 'host.gone' : 'host.back', id, { name: host.name });
    }
  });
}
