/**
 * Hosts with workloads: by what they report, and until they have reported since the start by what is stored. A host that
 * died while no server ran is found gone as well.
 */
import type { HostId } from '../../shared/names.ts';
import type { Deps } from '../deps.ts';
import { listRunners } from '../store/workloads.ts';

export interface Runners {
  read(): Promise<ReadonlySet<HostId>>;
  forget(hostId: HostId): void;
}

export function createRunners({ store, live }: Pick<Deps, 'store' | 'live'>): Runners {
  let stored: Set<HostId> | undefined;
  return {
    // Once: later on the reports are newer, and to read the workloads of all hosts takes its time.
    read: async () => {
      stored ??= new Set(await listRunners(store.db));
      for (const id of stored) if (live.host(id) !== undefined) stored.delete(id);
      return new Set([...stored, ...live.runners()]);
    },
    forget: (hostId) => void stored?.delete(hostId),
  };
}
