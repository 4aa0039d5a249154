/**
 * What this agent knows of its place in the mesh: the newest map, what the server said of the host, and what follows from
 * both. The server's word counts only over its pinned identity, which the transport has checked.
 */
import type { Logger } from 'pino';
import { crashPoint } from '../shared/crash-points.ts';
import type { WarrenError } from '../shared/errors.ts';
import { asWarrenError } from '../shared/errors.ts';
import type { HostId } from '../shared/names.ts';
import type { HostRecord, NetworkMap } from '../shared/network-map.ts';
import type { Cursor, Standing } from '../shared/protocol.ts';
import { parseDomainName } from '../shared/workload.ts';
import type { Clock } from './clock.ts';
import type { Fault } from './failures.ts';
import type { LockBook } from './lock/book.ts';
import type { State } from './state.ts';

export interface Membership {
  /** As far as the lock lets it in. */
  map(): NetworkMap | undefined;
  /** As the server told it. */
  received(): NetworkMap | undefined;
  cursor(): Cursor | undefined;
  /** The map as it may be used: a host that is cut off keeps at most itself, also where it has no map. */
  usable(): NetworkMap | undefined;
  self(): HostRecord | undefined;
  state(): Standing['state'] | 'removed' | 'unknown';
  /** UDP port where the server tells a host what it looks like from outside. */
  reflectorPort(): number | null;
  firstSeenAt(): ReadonlyMap<HostId, number>;
  take(map: NetworkMap, now: number): void;
  stand(standing: Standing): void;
  /** True when the refusal changed what may be used. */
  refuse(error: WarrenError): boolean;
  /** What could not be written down. */
  faults(): readonly Fault[];
  /** Tries again to write down what could not be; for every pass. */
  saveAgain(): void;
  /** Resolves when the newest map is saved, or could not be. */
  saved(): Promise<void>;
}

export function openMembership(options: {
  readonly selfId: HostId;
  readonly saved: NetworkMap | undefined;
  readonly state: Pick<State, 'writeMap' | 'removeMap'>;
  readonly lock: Pick<LockBook, 'admit'>;
  readonly log: Logger;
  readonly clock: Pick<Clock, 'now'>;
}): Membership {
  const { selfId, log, lock, clock } = options;
  let map = options.saved;
  let standing: Standing['state'] | 'removed' | 'unknown' = 'unknown';
  let reflectorPort: number | null = null;
  let firstSeenAt = seenSince(new Map(), map, clock.now());
  const saver = createSaver(options.state, log);

  const admitted = (): NetworkMap | undefined => map && lock.admit(map, clock.now());

  return {
    map: admitted,
    received: () => map,
    cursor: () => map && { epoch: map.epoch, revision: map.revision },
    usable: () => {
      if (standing === 'active' || standing === 'unknown') return admitted();
      // A disabled host may come back and keeps its own addresses; one without a part in the mesh has none.
      const kept = standing === 'disabled' ? admitted()?.hosts.filter((host) => host.id === selfId) : undefined;
      return { ...(map ?? emptyMap), hosts: kept ?? [] };
    },
    self: () => admitted()?.hosts.find((host) => host.id === selfId),
    state: () => standing,
    reflectorPort: () => reflectorPort,
    firstSeenAt: () => firstSeenAt,
    take: (taken, now) => {
      map = taken;
      firstSeenAt = seenSince(firstSeenAt, taken, now);
      saver.save(taken);
    },
    stand: (told) => {
      // What a removal took from the disk comes back with the host.
      if (standing === 'removed' && map !== undefined) saver.save(map);
      standing = told.state;
      reflectorPort = told.reflectorPort;
    },
    refuse: (error) => {
      const before = standing;
      if (error.code === 'host-disabled') standing = 'disabled';
      if (error.code === 'host-removed') {
        standing = 'removed';
        saver.save(undefined);
      }
      return standing !== before;
    },
    faults: () => saver.faults(),
    saveAgain: () => saver.again(),
    saved: () => saver.idle(),
  };
}

/** What a host without a map may use once the server has said that it is cut off: nothing. */
export const emptyMap: NetworkMap = {
  epoch: '',
  revision: 0,
  mesh: {
    overlayPools: [],
    containerPools: [],
    mtu: 1420,
    keepaliveSeconds: 0,
    domain: parseDomainName('warren.internal'),
    publications: [],
    segments: [],
  },
  hosts: [],
};

function seenSince(before: ReadonlyMap<HostId, number>, map: NetworkMap | undefined, now: number): Map<HostId, number> {
  return new Map((map?.hosts ?? []).map((host) => [host.id, before.get(host.id) ?? now]));
}

/** Saves the newest map; those that came while one was being written are skipped but for the last. */
function createSaver(state: Pick<State, 'writeMap' | 'removeMap'>, log: Logger) {
  let next: { map: NetworkMap | undefined } | undefined;
  let running: Promise<void> | undefined;
  let faults: Fault[] = [];
  let unsaved: { map: NetworkMap | undefined } | undefined;
  const loop = async (): Promise<void> => {
    for (let job = next; job !== undefined; job = next) {
      next = undefined;
      try {
        crashPoint('map.before-save');
        await (job.map === undefined ? state.removeMap() : state.writeMap(job.map));
        crashPoint('map.after-save');
        faults = [];
        unsaved = undefined;
      } catch (error) {
        const why = `the map cannot be saved (${asWarrenError(error).message}); free space or make the state directory writable, or this host will not come back without the server`;
        if (faults.length === 0) log.warn({ why }, 'map not saved');
        faults = [{ kind: 'map-save', subject: 'map.json', why }];
        unsaved = job;
      }
    }
    running = undefined;
  };
  const save = (map: NetworkMap | undefined): void => {
    next = { map };
    running ??= loop();
  };
  return {
    save,
    again: (): void => {
      if (unsaved !== undefined && running === undefined) save(unsaved.map);
    },
    idle: async (): Promise<void> => running,
    faults: (): readonly Fault[] => faults,
  };
}
