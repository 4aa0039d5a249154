/** What a segment is to this host now: bridged, or routed like any that is only named. */
import type { NetworkMap } from '../../shared/network-map.ts';
import type { SegmentName } from '../../shared/workload.ts';
import { type Clock, pause } from '../clock.ts';
import { bridgedSegment } from '../plan/bridged.ts';

/** A change is in a running agent's map within a fraction of a second. */
const newsMs = 2_000;
const lookMs = 50;

/**
 * A segment that nobody has named yet may have been made a moment ago, and its kind be on the way here: that is waited
 * for, because an interface cannot be of both kinds. One that stays unknown exists from now on, and is routed.
 */
export async function isSegmentBridged(
  segment: SegmentName,
  map: () => NetworkMap | undefined,
  clock: Clock,
): Promise<boolean> {
  const end = clock.now() + newsMs;
  while (!isKnown(segment, map()) && clock.now() < end) await pause(clock, lookMs, new AbortController().signal);
  return bridgedSegment(map()?.mesh.segments ?? [], segment) !== undefined;
}

const isKnown = (segment: SegmentName, map: NetworkMap | undefined): boolean =>
  map !== undefined &&
  (map.mesh.segments.some(({ name }) => name === segment) ||
    map.hosts.some(({ workloads }) => workloads.some((one) => one.segment === segment)));
