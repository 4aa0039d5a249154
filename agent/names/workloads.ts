/**
 * What runs on this host, put together from who knows of it: the container engine, attachments, names added by hand. Each
 * source puts its whole list; the first to have a name keeps it, and who comes after it is in its segment all the same.
 * What others are told and what the firewall and the names go by is this one list.
 */
import { mostWorkloadChars } from '../../shared/own-workloads.ts';
import { type Workload, parseLabel } from '../../shared/workload.ts';
import type { Fault } from '../failures.ts';
import { digestOf } from '../plan/digest.ts';

/** Sources in the order in which their names count. */
const sources = ['docker', 'attach', 'cni', 'static', 'bridged'] as const;
export type WorkloadSource = (typeof sources)[number];

/** As many as a record holds. */
const mostWorkloads = 1024;

export interface WorkloadBook {
  /** Replaces what `source` has; listeners hear of it when the list is another one then. */
  put(source: WorkloadSource, workloads: readonly Workload[]): void;
  /** Ordered by name. */
  list(): readonly Workload[];
  faults(): readonly Fault[];
  onChange(listener: () => void): void;
}

export function createWorkloadBook(): WorkloadBook {
  const bySource = new Map<WorkloadSource, readonly Workload[]>();
  const listeners: (() => void)[] = [];
  let merged: Merged = { workloads: [], faults: [] };
  return {
    put: (source, workloads) => {
      bySource.set(source, workloads);
      const before = JSON.stringify(merged);
      merged = mergeWorkloads(sources.map((name) => bySource.get(name) ?? []));
      if (JSON.stringify(merged) !== before) for (const listener of listeners) listener();
    },
    list: () => merged.workloads,
    faults: () => merged.faults,
    onChange: (listener) => listeners.push(listener),
  };
}

interface Merged {
  readonly workloads: readonly Workload[];
  readonly faults: readonly Fault[];
}

export function mergeWorkloads(lists: ReadonlyArray<readonly Workload[]>): Merged {
  const byName = new Map<string, Workload>();
  const faults: Fault[] = [];
  let chars = 0;
  const put = (one: Workload, isUnnamed: boolean): void => {
    const size = JSON.stringify(one).length + 1;
    const isTaken = byName.has(one.name);
    const why = isTaken
      ? 'another workload of this host has this name; give one of them another name'
      : byName.size === mostWorkloads
        ? `a host tells of ${mostWorkloads} workloads at most`
        : chars + size > mostWorkloadChars
          ? `what a host tells of its workloads is ${mostWorkloadChars / 1024} KiB at most; share fewer variables`
          : undefined;
    if (why === undefined) {
      byName.set(one.name, one);
      chars += size;
    }
    if (why !== undefined) faults.push({ kind: 'workload-refused', subject: one.name, why });
    if (isTaken && one.segment !== null && !isUnnamed) put(unnamed(one), true);
  };
  for (const one of lists.flat()) put(one, false);
  return { workloads: [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1)), faults };
}

/** Isolation does not hang on a name that somebody else has. */
const unnamed = (one: Workload): Workload => ({
  ...one,
  name: parseLabel(`n-${digestOf(one.addresses.join()).slice(0, 12)}`),
  services: [],
  variables: [],
});
