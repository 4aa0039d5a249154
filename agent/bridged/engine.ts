/**
 * Networks of the container engine that are in a bridged segment: of driver bridge, labelled with the segment, on the
 * bridge that the segment has on this host. Then the engine attaches its containers by itself, and chooses addresses.
 */
import { type SegmentName, type Segment, segmentNameSchema } from '../../shared/workload.ts';
import type { Network } from '../docker/api.ts';
import { segmentLabel } from '../docker/containers.ts';
import { bridgeOf } from '../docker/joined.ts';
import type { Fault } from '../failures.ts';
import { bridgedSegment, segmentLinks } from '../plan/bridged.ts';
import type { HostSettings } from '../plan/settings.ts';

export interface EngineMembers {
  readonly members: ReadonlyArray<{ readonly text: string; readonly segment: SegmentName }>;
  readonly faults: readonly Fault[];
}

export function engineMembers(
  networks: readonly Network[],
  segments: readonly Segment[],
  settings: Pick<HostSettings, 'tableName'>,
): EngineMembers {
  const members: { text: string; segment: SegmentName }[] = [];
  const faults: Fault[] = [];
  for (const network of networks) {
    const named = segmentNameSchema.safeParse(network.Labels?.[segmentLabel]);
    const segment = named.success ? bridgedSegment(segments, named.data) : undefined;
    if (network.Driver !== 'bridge' || segment?.vni === undefined || segment.vni === null) continue;
    const { bridgeName } = segmentLinks(settings, segment.vni);
    if (bridgeOf(network) === bridgeName) members.push({ text: `docker:${network.Name}`, segment: segment.name });
    else {
      const why = `it is not on the bridge of the segment '${segment.name}'; make it with -o com.docker.network.bridge.name=${bridgeName}`;
      faults.push({ kind: 'segment-refused', subject: network.Name.slice(0, 128), why });
    }
  }
  return { members, faults };
}
