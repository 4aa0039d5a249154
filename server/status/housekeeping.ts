/** The slow part of the sweep: saving sightings, removing abandoned ephemeral hosts, pruning. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Deps } from '../deps.ts';
import { removeHost } from '../hosts/hosts.ts';
import { pruneCertificates } from '../store/certificates.ts';
import { findHost, listAwayEphemeralHosts, recordSeen } from '../store/hosts.ts';
import { pruneReplies } from '../store/idempotency.ts';
import type { Store } from '../store/open.ts';
import type { Sighting } from './live.ts';
import { ephemeralMs, isAbandoned } from './liveness.ts';

/** Rows written between two turns of the event loop. */
const sightingsPerTurn = 200;

/** Writes when hosts were last seen and what they had applied. It is status: no revision, no audit. */
export async function saveSightings({ store, live }: Pick<Deps, 'store' | 'live'>): Promise<void> {
  const sightings = live.takeUnsaved();
  for (let i = 0; i < sightings.length; i += sightingsPerTurn) {
    await saveSome(store, sightings.slice(i, i + sightingsPerTurn));
    await nextTurn();
  }
}

async function saveSome(store: Store, sightings: readonly Sighting[]): Promise<void> {
  const { epoch } = store.position();
  await store.transact('server', async (tx) => {
    for (const { hostId, seenAt, applied, agentVersion } of sightings) {
      const appliedRevision = applied?.epoch === epoch ? applied.revision : null;
      await recordSeen(tx, hostId, { lastSeenAt: seenAt, appliedRevision, agentVersion });
    }
  });
}

/** Ephemeral hosts that stay away are removed, each on record. */
export async function removeAbandoned(deps: Deps, watchingSince: number): Promise<void> {
  const { store, feed, live, log, clock } = deps;
  const now = clock.now();
  const isAway = (id: Parameters<typeof findHost>[1], savedAt: number | null, enrolledAt: number | null): boolean =>
    isAbandoned({
      now,
      watchingSince,
      isOnline: feed.isOnline(id),
      lastSeenAt: live.host(id)?.seenAt ?? savedAt ?? undefined,
      enrolledAt: enrolledAt ?? now,
    });
  const candidates = await listAwayEphemeralHosts(store.db, now - ephemeralMs);
  for (const { id } of candidates.filter((host) => isAway(host.id, host.lastSeenAt, host.enrolledAt))) {
    await store.transact('server', async (tx) => {
      const host = await findHost(tx.db, id);
      if (host === undefined || !host.isEphemeral || !isAway(id, host.lastSeenAt, host.enrolledAt)) return;
      await removeHost(tx, host, 'host.remove');
    });
    log.info({ host: id }, 'ephemeral host removed');
  }
}

/** A certificate may renew a host for 30 days after its end. */
const certificateGraceMs = 30 * 86_400_000;

/** Forgets what can be of no more use. Tombstones are pruned where they are written. */
export async function prune({ store, clock }: Pick<Deps, 'store' | 'clock'>): Promise<void> {
  await store.transact('server', async (tx) => {
    await pruneReplies(tx);
    await pruneCertificates(tx, clock.now() - certificateGraceMs);
  });
}
