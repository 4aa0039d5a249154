/** The mesh as a whole and the live view of its hosts, as the API shows them. Reads only. */
import type { z } from 'zod';
import type { PageQuery } from '../../shared/api/route.ts';
import type { hostStatusSchema, showMesh, showStatus } from '../../shared/api/status.ts';
import type { Deps } from '../deps.ts';
import { nowOfHost } from '../hosts/now.ts';
import { type StoredHost, countHosts, listHosts } from '../store/hosts.ts';
import { readMeshSettings } from '../store/meta.ts';
import { countSubnets } from '../store/subnets.ts';
import { formatMaybe } from '../time.ts';

export async function viewMesh(deps: Deps): Promise<z.input<typeof showMesh.reply>> {
  const { store, feed, authority, version } = deps;
  return store.snapshot(async (db) => {
    const counts = await countHosts(db);
    const hosts = counts.active + counts.pending + counts.disabled + counts.registered;
    return {
      ...store.position(),
      settings: await readMeshSettings(db),
      counts: { hosts, ...counts, online: feed.onlineCount(), subnets: await countSubnets(db) },
      caPin: authority.caPin,
      serverVersion: version,
    };
  });
}

export async function viewStatus(deps: Deps, query: PageQuery): Promise<z.input<typeof showStatus.reply>> {
  const { items, nextCursor } = await listHosts(deps.store.db, query);
  return { ...deps.store.position(), items: items.map((host) => viewHost(deps, host)), nextCursor };
}

function viewHost(deps: Deps, host: StoredHost): z.input<typeof hostStatusSchema> {
  const { isOnline, seenAt, appliedRevision, containers } = nowOfHost(deps, host);
  return {
    id: host.id,
    name: host.name,
    state: host.state,
    isOnline,
    isGone: host.isGone,
    lastSeenAt: formatMaybe(seenAt),
    appliedRevision,
    nat: host.nat,
    isRelay: host.isRelay,
    ...deps.live.detail(host.id),
    containers,
  };
}
